"""The directory that a run leaves its results in."""

from __future__ import annotations

from pathlib import Path

from wasserflow.reports.record import RECORD_NAME, read_record

_RESULTS = {".csv", ".gif", ".json", ".npz", ".png"}
_TEXTS = {"before_after.txt"}  # other texts are somebody's notes


def check_out_dir(path: str | Path, overwrite: bool = False, resume: bool = False) -> Path:
    """Refuse what `prepare_out_dir` would refuse, and touch nothing.

    Args:
        path: the directory.
        overwrite: whether an earlier run may be replaced.
        resume: whether an earlier run is to be gone on with.

    Returns:
        The directory, which may not be there yet.

    Raises:
        ValueError: both are given; or the path is a file, or a directory that is not empty and must not or cannot be
            replaced or gone on with. What a failed run left, its record alone, may be replaced.

    Example:
        >>> import tempfile
        >>> check_out_dir(tempfile.mkdtemp() + "/first").exists()
        False
    """
    if resume and overwrite:
        raise ValueError("resume and overwrite are both given; go on with an earlier run, or replace it")
    out = Path(path)
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; give a directory to leave the results in")
    if out.is_dir() and any(out.iterdir()):
        if not (out / RECORD_NAME).is_file():
            raise ValueError(f"{out} exists and is not a run directory (it has no {RECORD_NAME}); choose another --out")
        if not (overwrite or resume or _left_nothing(out)):
            raise ValueError(f"{out} holds an earlier run; choose another --out, or replace it with --overwrite")
    return out


def _left_nothing(out: Path) -> bool:
    """Whether a run failed before it had results, so that nothing is lost with its record."""
    if [file.name for file in out.iterdir()] != [RECORD_NAME]:
        return False
    try:
        return bool(read_record(out).get("status") == "failed")
    except ValueError:
        return False


def prepare_out_dir(path: str | Path, overwrite: bool = False, resume: bool = False) -> Path:
    """Make a run directory, or refuse one that holds something.

    With `overwrite` the result files at the top of an earlier run (a directory with a `run.json`) are removed, so that
    old and new results cannot be mixed up; anything else in it stays. With `resume` all of it stays.

    Args:
        path: the directory; parents are made.
        overwrite: replace an earlier run.
        resume: go on with an earlier run, if there is one.

    Returns:
        The directory, there and, unless a run is gone on with, free of earlier results.

    Raises:
        ValueError: what `check_out_dir` refuses.

    Example:
        >>> import tempfile
        >>> out = prepare_out_dir(tempfile.mkdtemp() + "/first")
        >>> (out / "run.json").write_text("{}")
        2
        >>> prepare_out_dir(out, overwrite=True) == out
        True
    """
    out = check_out_dir(path, overwrite, resume)
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        return out
    for file in out.iterdir():
        if file.is_file() and (file.suffix in _RESULTS or file.name in _TEXTS):
            file.unlink()
    return out
