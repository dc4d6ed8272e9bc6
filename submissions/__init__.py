"""What a submission is: its files, its manifest, its checks."""

from submissions.checks import Code as Code
from submissions.checks import Fault as Fault
from submissions.checks import Report as Report
from submissions.checks import SubmissionError as SubmissionError
from submissions.checks import check_case_id as check_case_id
from submissions.manifest import Manifest as Manifest
from submissions.reading import Submission as Submission
from submissions.reading import open_submission as open_submission
from submissions.reading import validate as validate
from submissions.writing import write_submission as write_submission
