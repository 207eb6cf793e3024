"""The record of a run, `run.json`: valid JSON at any moment, also when the run is stopped."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

RECORD_NAME = "run.json"


class RunRecord:
    """Write `run.json` when the run begins, whenever something is known, and when it ends.

    As a context manager it says how the run ended: `finished`, `interrupted` (Ctrl-C) or `failed` (with the error). A
    process that was killed leaves `running`. NaN and infinite numbers become null; paths are kept as they were typed.

    Args:
        directory: the run directory.
        config: the resolved options.
        seeds: the seeds of the run.
        arguments: the command line, `sys.argv` if None.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> out = Path(tempfile.mkdtemp())
        >>> with RunRecord(out, config={"steps": 25}, seeds=0, arguments=["wasserflow", "refine"]) as record:
        ...     record.update(evaluations=1600, metrics={"before": {"frechet": 20.0}, "after": {"frechet": 15.0}})
        >>> saved = json.loads((out / "run.json").read_text())
        >>> saved["status"], saved["evaluations"], saved["command"]
        ('finished', 1600, 'wasserflow refine')
    """

    def __init__(
        self, directory: str | Path, config: Mapping[str, Any], seeds: object, arguments: Sequence[str] | None = None
    ) -> None:
        self.path = Path(directory) / RECORD_NAME
        self._start = time.perf_counter()
        self._content: dict[str, Any] = {
            "status": "running",
            "command": _command(sys.argv if arguments is None else arguments),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": 0.0,
            "versions": _versions(),
            "commit": _commit(),
            "config": config,
            "seeds": seeds,
            "evaluations": None,
            "metrics": None,
        }
        self.update()

    def update(self, **fields: object) -> None:
        """Set fields (`evaluations`, `metrics`, ... or new ones) and write the file in one stroke.

        Args:
            fields: numbers, strings, paths, tensors, dataclasses, and lists and mappings of them.
        """
        self._content.update(fields)
        self._content["seconds"] = round(time.perf_counter() - self._start, 3)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            text = json.dumps(_plain(self._content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            part.write_text(text, encoding="utf-8")
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    def __enter__(self) -> RunRecord:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            # A command that catches Ctrl-C itself, to save what is done, has said so before.
            self.update(status="finished" if self._content["status"] == "running" else self._content["status"])
        elif isinstance(error, KeyboardInterrupt):
            self.update(status="interrupted")
        else:
            self.update(status="failed", error=_without_places(f"{type(error).__name__}: {error}"))


def read_record(directory: str | Path) -> dict[str, Any]:
    """Read the record of a run.

    Args:
        directory: the run directory.

    Returns:
        What `run.json` holds.

    Raises:
        ValueError: there is none, or it is not the record of a run.
    """
    path = Path(directory) / RECORD_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
            raise ValueError("it has no config")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not the record of a run: {error}") from error
    return record


def require_same_run(
    directory: str | Path, config: Mapping[str, Any], seeds: object, free: Collection[str] = ()
) -> None:
    """Refuse to go on with a run of other options.

    Args:
        directory: the run directory.
        config: the resolved options.
        seeds: the seeds of the run.
        free: options that may be others than those of the earlier run.

    Raises:
        ValueError: there is no record, or it is of other options or seeds; the message names the first.

    Example:
        >>> import tempfile
        >>> out = tempfile.mkdtemp()
        >>> record = RunRecord(out, config={"steps": 25, "n": 64}, seeds=0)
        >>> require_same_run(out, {"steps": 25, "n": 1000}, seeds=0, free=["n"])
    """
    record = read_record(directory)
    earlier, now = {"seed": record.get("seeds"), **record["config"]}, _plain({"seed": seeds, **config})
    for name in dict.fromkeys([*now, *earlier]):
        if name not in free and earlier.get(name) != now.get(name):
            was, asked = earlier.get(name), now.get(name)
            raise ValueError(
                f"{directory} holds a run of {name} {was}, not {asked} ({record.get('command')}); "
                "give the same options, or choose another --out"
            )


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return _plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"name": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [_plain(item) for item in value]
    if isinstance(value, (Path, torch.dtype, torch.device)):
        return str(value)
    # The repr of other objects holds addresses, which differ from run to run.
    return getattr(value, "__qualname__", type(value).__qualname__)


def _command(arguments: Sequence[str]) -> str:
    program = Path(arguments[0]).name if arguments else ""
    if program in ("", "-c", "__main__.py", "__init__.py"):
        program = "wasserflow"
    return shlex.join([program, *arguments[1:]])


def _versions() -> dict[str, str | None]:
    try:
        own: str | None = importlib.metadata.version("wasserflow")
    except importlib.metadata.PackageNotFoundError:
        own = None
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "wasserflow": own,
    }


def _commit() -> str | None:
    """The commit of the current directory, `-dirty` if files differ from it; None outside a repository."""
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(describe, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _without_places(text: str) -> str:
    for place, short in ((Path.cwd(), "."), (Path.home(), "~"), (Path(sys.prefix), "<python>")):
        if place != Path(place.anchor):
            text = text.replace(str(place), short)
    return text
