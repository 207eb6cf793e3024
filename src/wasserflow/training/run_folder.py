"""The folder that a training leaves its files in."""

from __future__ import annotations

from pathlib import Path


def prepare_run_folder(out: Path, resume: bool) -> Path | None:
    """Refuse to overwrite a run, and find the checkpoint to resume from.

    Args:
        out: the run's folder.
        resume: whether the run continues what the folder holds.

    Returns:
        `out/last.ckpt` when resuming, else None.

    Raises:
        FileExistsError: `out` holds files and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.

    Example:
        >>> import pathlib, tempfile
        >>> from wasserflow.training.run_folder import prepare_run_folder
        >>> prepare_run_folder(pathlib.Path(tempfile.mkdtemp()), resume=False) is None
        True
    """
    last = out / "last.ckpt"
    if resume:
        if not last.is_file():
            raise FileNotFoundError(f"resume is True but there is no checkpoint {last}")
        return last
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} exists and is not empty; choose another folder, or continue it with resume")
    return None
