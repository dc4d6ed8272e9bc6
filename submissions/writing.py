"""Writing a submission: as the leaderboard takes it, and the same bytes for the same predictions."""

import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from submissions import limits
from submissions.formats.base import Format, finite_cases
from submissions.formats.registry import format_of
from submissions.manifest import NAME, Manifest
from submissions.reading import open_submission
from submissions.report import Code, SubmissionError, check_case_id, must

DEFLATE_LEVEL = 1  # maps are nearly incompressible: higher levels take longer and save nothing


def write_submission(
    path: str | PathLike[str],
    track: str | Format,
    team: str,
    method: str,
    case_ids: Sequence[str],
    chunks: np.ndarray | Iterable[np.ndarray],
    manifest_fields: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write predictions to a zip, which gets its name when it is complete.

    Parameters
    ----------
    path : path of the zip to write
    track : name of a track, or Format
    team, method : str
    case_ids : ids of the cases, in the order of the predictions
    chunks : ndarray of all predictions, or iterable of arrays with some of them
        (n, 128, 128) for mass-mapping, stored as float16; (n, 5) for stamps, stored with the digits of
        float32.
    manifest_fields : mapping, optional
        Fields of `Manifest`, such as dataset_fingerprint, seed, versions, hardware and link.

    Returns
    -------
    Manifest

    Raises
    ------
    SubmissionError
        If predictions are not finite or have the wrong shape or number (the message names the case), if the
        track does not exist, or if a case id, team or method is not allowed.
    """
    path, track_format = Path(path), format_of(track)
    manifest = Manifest(track_format.track, team, method, **manifest_fields or {})
    if isinstance(chunks, np.ndarray):
        chunks = [chunks]
    for case_id in case_ids:
        check_case_id(case_id)
    if len(set(case_ids)) < len(case_ids) or len(case_ids) >= limits.MAX_ENTRIES:
        rule, got = f"differ and be fewer than {limits.MAX_ENTRIES:,}", f"{len(case_ids):,}"
        raise SubmissionError(must("the case ids", rule, got), Code.DUPLICATE_CASE)
    folder = re.sub(r"[^A-Za-z0-9._-]", "", team).lstrip("._-") or "team"
    files = {}
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w") as archive:
            for name, data in track_format.write(_batches(case_ids, chunks, track_format.shape), folder):
                files[name] = hashlib.sha256(data).hexdigest()
                archive.writestr(entry(name), data, zipfile.ZIP_DEFLATED, DEFLATE_LEVEL)
            manifest = replace(manifest, files=files)
            archive.writestr(entry(NAME), manifest.to_bytes(), zipfile.ZIP_DEFLATED, DEFLATE_LEVEL)
        # The limits of reading hold for writing.
        for fault in open_submission(partial, track, case_ids).findings.faults:
            raise SubmissionError(f"{fault.member}: {fault.message}", fault.code)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def entry(name: str) -> zipfile.ZipInfo:
    """An entry of a zip whose bytes do not tell of the time or the system of its writing."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16  # as on Unix
    return info


def _batches(
    case_ids: Sequence[str], chunks: Iterable[np.ndarray], shape: tuple[int, ...]
) -> Iterator[tuple[Sequence[str], np.ndarray]]:
    """Each chunk with the ids of its cases, after a look at its shape and values."""
    start = 0
    for chunk in map(np.asarray, chunks):
        if chunk.ndim <= len(shape):
            advice = "pass one array of all cases, or chunks of cases"
            rule = f"have the shape (n, {', '.join(map(str, shape))})"
            raise SubmissionError(must("the predictions", rule, chunk.shape, advice), Code.WRONG_SHAPE)
        batch = case_ids[start : start + len(chunk)]
        if chunk.shape != (len(batch), *shape) or chunk.dtype.kind not in "fiu":
            where = f"from case {batch[0]} on" if len(batch) else f"after all {len(case_ids):,} cases"
            rule = f"be numbers of shape {(len(batch), *shape)}"
            message = must(f"the predictions {where}", rule, f"{chunk.dtype} {chunk.shape}")
            raise SubmissionError(message, Code.WRONG_SHAPE)
        finite = finite_cases(chunk)
        if not finite.all():
            message = must(f"{batch[int(np.argmin(finite))]}: the values", "be finite", "NaN or infinity")
            raise SubmissionError(message, Code.NOT_FINITE)
        yield batch, chunk
        start += len(batch)
    if start < len(case_ids):
        message = must("predictions", f"be of all {len(case_ids):,} cases", f"none from {case_ids[start]} on")
        raise SubmissionError(message, Code.MISSING_CASE)
