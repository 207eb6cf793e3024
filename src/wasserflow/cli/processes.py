"""Spread a run over processes with Fabric and put the parts together again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor


class Processes:
    """The processes of a run; one, unless more devices or nodes are asked for.

    Fabric starts the others by running the same command again, so every process goes through the same code, and only
    the first one writes results.

    Args:
        devices: processes on a node.
        num_nodes: how many nodes; they must share the output folder.

    Raises:
        ValueError: either is below 1.
    """

    def __init__(self, devices: int, num_nodes: int) -> None:
        for name, value in (("devices", devices), ("num_nodes", num_nodes)):
            if value < 1:
                raise ValueError(f"{name} is {value}; give at least 1")
        self._fabric = None
        self.device = _device()
        if devices * num_nodes > 1:
            from lightning.fabric import Fabric

            self._fabric = Fabric(accelerator="auto", devices=devices, num_nodes=num_nodes, strategy="ddp")
            if self._fabric.device.type == "cpu":
                torch.set_num_threads(max(1, (os.cpu_count() or 1) // devices))

    @property
    def rank(self) -> int:
        """This process's number, 0 for the first."""
        return self._fabric.global_rank if self._fabric else 0

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._fabric.world_size if self._fabric else 1

    def launch(self) -> None:
        """Start the others, and wait for them."""
        if self._fabric:
            self._fabric.launch()
            self.device = self._fabric.device

    def share(self, seeds: Int64[Tensor, " n"]) -> Int64[Tensor, " share"]:
        """This process's slice of the seeds; together the slices are the seeds in order."""
        return seeds.tensor_split(self.count)[self.rank]

    def share_groups(self, groups: Sequence[Int64[Tensor, " _"]]) -> tuple[Int64[Tensor, " _"], ...]:
        """This process's whole groups; together the shares are the groups in order."""
        return tuple(groups[int(index)] for index in self.share(torch.arange(len(groups))))

    def wait(self) -> None:
        """Go on only when every process has come here."""
        if self._fabric:
            self._fabric.barrier()


def part_path(out: Path, rank: int) -> Path:
    """Where a process leaves its samples until they are put together."""
    return out / f"part-{rank}.npz"


def merge_parts(out: Path, count: int, path: Path) -> tuple[dict[str, np.ndarray], int]:
    """Put the processes' samples together in order, write them as one file and remove the parts.

    Returns:
        The arrays, and the gradient evaluations of all processes.
    """
    parts = [dict(np.load(part_path(out, rank))) for rank in range(count)]
    evaluations = sum(int(part.pop("evaluations")) for part in parts)
    arrays = {name: np.concatenate([part[name] for part in parts if name in part]) for name in parts[0]}
    np.savez(path, **arrays, evaluations=np.int64(evaluations))  # type: ignore[arg-type]
    for rank in range(count):
        part_path(out, rank).unlink()
    return arrays, evaluations


def _device() -> torch.device:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if accelerator is None else accelerator
