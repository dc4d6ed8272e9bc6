"""Submissions: their files, manifest and checks."""

from submissions.formats.base import Format as Format
from submissions.manifest import Manifest as Manifest
from submissions.reading import Submission as Submission
from submissions.reading import open_submission as open_submission
from submissions.reading import validate as validate
from submissions.report import Code as Code
from submissions.report import Finding as Finding
from submissions.report import Findings as Findings
from submissions.report import SubmissionError as SubmissionError
from submissions.report import ValidationReport as ValidationReport
from submissions.report import check_case_id as check_case_id
from submissions.writing import write_submission as write_submission
