"""The samples of a run as they come, kept on disk so that a stopped run can be gone on with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from wasserflow.cli.names.arrays import read_arrays


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples of a run.

    Args:
        places: which ones they are, counted from 0.
        arrays: what is stored of them, a row a sample.
        evaluations: gradient evaluations that all of them took.
    """

    places: Int64[np.ndarray, " batch"]
    arrays: Mapping[str, np.ndarray]
    evaluations: int


class Collected:
    """Room for the samples of a run, filled in any order.

    Args:
        n: how many samples the run is to have.

    Example:
        >>> import numpy as np
        >>> room = Collected(3)
        >>> room.add(Batch(np.array([2, 0]), {"samples": np.array([0.2, 0.0])}, evaluations=10))
        >>> room.finished, room.arrays()["samples"].tolist()
        (2, [0.0, 0.2])
    """

    def __init__(self, n: int) -> None:
        self.done: Bool[np.ndarray, " n"] = np.zeros(n, dtype=bool)
        self.evaluations = 0
        self._arrays: dict[str, np.ndarray] = {}

    @property
    def finished(self) -> int:
        """How many samples are there."""
        return int(self.done.sum())

    def add(self, batch: Batch) -> None:
        """Put samples in their places; those that were there before are replaced, and counted once.

        Raises:
            ValueError: arrays of other names than those that are there.
        """
        self._require_same_names(self._arrays, batch.arrays)
        for name, rows in batch.arrays.items():
            self._put(name, batch.places, rows)
        new = int((~self.done[batch.places]).sum())
        self.evaluations += round(batch.evaluations * new / len(batch.places))
        self.done[batch.places] = True

    def arrays(self) -> dict[str, np.ndarray]:
        """The finished samples by the names of their arrays, each (finished, ...)."""
        return self._arrays if self.done.all() else {name: array[self.done] for name, array in self._arrays.items()}

    def save(self, path: Path) -> None:
        """Write them as an npz file, in one stroke; where samples are missing, `places` says which ones are there."""
        arrays = self.arrays() if self.done.all() else {**self.arrays(), "places": np.flatnonzero(self.done)}
        part = path.with_name(f".{path.name}")
        with part.open("wb") as file:
            np.savez(file, **arrays, evaluations=np.int64(self.evaluations))  # type: ignore[arg-type]
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Put in what a run saved.

        Args:
            path: the npz file.

        Raises:
            ValueError: no such file, a damaged one, or one of samples that this run does not have.
        """
        about = dict(read_arrays(path, ("places", "evaluations")))
        places, names, known = about.get("places"), [], set(self._arrays)
        for name, rows in read_arrays(path):
            if name in about:
                continue
            names.append(name)
            places = np.arange(len(rows)) if places is None else places
            if len(places) != len(rows):
                raise ValueError(f"{path} is damaged: {name} has {len(rows)} rows for {len(places)} samples")
            if (there := int(places.max(initial=-1)) + 1) > len(self.done):
                raise ValueError(f"{path} has {there} samples and n is {len(self.done)}; give as many, or more")
            self._put(name, places, rows)
        self._require_same_names(known, names)
        if places is not None:
            self.done[places] = True
        self.evaluations += int(about.get("evaluations", 0))

    def _put(self, name: str, places: Int64[np.ndarray, " batch"], rows: np.ndarray) -> None:
        if name not in self._arrays:
            self._arrays[name] = np.empty((len(self.done), *rows.shape[1:]), rows.dtype)
        self._arrays[name][places] = rows

    def _require_same_names(self, known: Collection[str], names: Collection[str]) -> None:
        if self.done.any() and (missing := set(known) ^ set(names)):
            raise ValueError(f"some samples have no {', '.join(sorted(missing))}; begin anew with --overwrite")
