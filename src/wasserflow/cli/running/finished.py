"""What a long command has measured so far, kept on disk so that it can be interrupted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wasserflow.reports import RunRecord


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Task:
    """One result of a long command.

    Args:
        seed: of the result.
        name: of the result.
        work: gives it, as JSON can hold it.
        suffices: whether a result that an earlier run kept is all that this one asks for.
    """

    seed: int
    name: str
    work: Callable[[], Any]
    suffices: Callable[[Any], bool] = _always


class Finished:
    """Results by seed and name, written as soon as they are known.

    Args:
        path: a JSON file; results that it holds are kept.
        settings: what all results have in common.

    Raises:
        ValueError: the file is not one of these, or of other settings.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "finished.json"
        >>> Finished(path, {"n": 2}).keep(0, "DDLS", {"frechet": 1.5})
        >>> Finished(path, {"n": 2}).find(0, "DDLS")
        {'frechet': 1.5}
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        # As the file holds them: tuples become lists.
        self.path, self._settings = path, json.loads(json.dumps(settings))
        self._results: dict[str, dict[str, Any]] = {}
        if path.is_file():
            self._results = self._read()

    def __len__(self) -> int:
        return sum(map(len, self._results.values()))

    def find(self, seed: int, name: str) -> Any:
        """Give a result, or None where there is none yet."""
        return self._results.get(str(seed), {}).get(name)

    def keep(self, seed: int, name: str, result: Any) -> None:
        """Add a result and write all, in one stroke: an interrupted run must not leave half a file."""
        self._results.setdefault(str(seed), {})[name] = result
        part = self.path.with_name(f".{self.path.name}")
        part.write_text(json.dumps({"settings": self._settings, "finished": self._results}, indent=2), encoding="utf-8")
        part.replace(self.path)

    def run(self, tasks: Sequence[Task], record: RunRecord, title: str, progress: bool, unit: str = "row") -> None:
        """Do what is not finished, and keep each result as soon as it is there.

        Args:
            tasks: all that is asked for.
            record: told how many results there are.
            title: of the progress bar.
            progress: show it.
            unit: what the bar counts.
        """
        for task in tqdm(tasks, title, unit=unit, disable=not progress):
            known = self.find(task.seed, task.name)
            if known is None or not task.suffices(known):
                self.keep(task.seed, task.name, task.work())
            record.update(finished=len(self))

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            settings, results = content["settings"], content["finished"]
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} holds no finished rows ({error}); replace it with --overwrite") from error
        if settings != self._settings:
            raise ValueError(f"{self.path} is of a run with {settings}, not {self._settings}; choose another --out")
        return results


@contextmanager
def resumable(kept: Callable[[], str]) -> Iterator[None]:
    """Say what is kept and how to go on, when the block is interrupted.

    Args:
        kept: gives the words for what there is by then.

    Raises:
        KeyboardInterrupt: the block was interrupted.

    Example:
        >>> with resumable(lambda: "3 rows are finished"):
        ...     table = "all rows"
    """
    try:
        yield
    except KeyboardInterrupt:
        print(f"\n{kept()} and kept; go on with --resume", file=sys.stderr)
        raise
