"""The names of all file formats, each with its version: what the field ``schema`` of a file holds."""

from submissions.manifest import SCHEMA as SUBMISSION

DATASET = "astroboard-dataset/1"
RUN = "astroboard-run/1"
SCORE_CARD = "astroboard-score/1"
LEADERBOARD = "astroboard-leaderboard/1"
LADDER = "astroboard-ladder/1"
COMPARISON = "astroboard-comparison/1"
TUNING = "astroboard-tuning/1"
EPOCHS = "astroboard-epochs/1"
TUNING_STATE = "astroboard-tuning-state/1"
CLAIMS = "astroboard-claims/1"

JSON_FILES = (SCORE_CARD, LEADERBOARD, RUN, SUBMISSION, COMPARISON, CLAIMS, TUNING, EPOCHS, LADDER)
"""The formats that a person may hold as a JSON file and ask about."""
