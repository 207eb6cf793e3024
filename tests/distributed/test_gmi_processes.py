"""Two processes move the halves of one cloud as one process moves the whole."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

import wasserflow as wf

N = 11


def moved(rows: slice, across_processes: bool) -> Tensor:
    z = wf.spaces.Normal(2).sample(N, seed=0, dtype=torch.float64)
    real = wf.spaces.Normal(2).sample(20, seed=1, dtype=torch.float64) + 2
    return wf.methods.gmi(
        None,
        z[rows],
        real=real,
        density=wf.KernelRidge(0.5, 1.0, mollifier=0.1),
        weights=(0.2, 0.1, 0.0),
        integrator=wf.EulerMaruyama(1.0, 0.01),
        steps=4,
        seed=wf.sample_seeds(3, N)[rows],
        across_processes=across_processes,
    ).particles


def one_of_two(rank: int, folder: str) -> None:
    """The first process has 6 particles, the second 5."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    rows = slice(0, 6) if rank == 0 else slice(6, N)
    torch.save(moved(rows, across_processes=True), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_group_across_two_processes_is_the_group_of_one(tmp_path: Path) -> None:
    mp.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    together = torch.cat([torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)])
    torch.testing.assert_close(together, moved(slice(None), False), rtol=1e-9, atol=1e-9)
    # Apart, the halves would have gone elsewhere.
    assert not torch.allclose(together[:6], moved(slice(0, 6), False), atol=1e-3)
