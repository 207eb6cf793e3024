"""What a long command has measured so far, kept on disk so that it can be interrupted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Finished:
    """Results by seed and name, written as soon as they are known.

    Args:
        path: a JSON file; results that it holds are kept.
        settings: what all results have in common.

    Raises:
        ValueError: the file is not one of these, or of other settings.
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

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            settings, results = content["settings"], content["finished"]
        except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} holds no finished rows ({error}); replace it with --overwrite") from error
        if settings != self._settings:
            raise ValueError(f"{self.path} is of a run with {settings}, not {self._settings}; choose another --out")
        return results
