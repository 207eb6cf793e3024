"""FDRL trained in two processes: each moves particles of its own, and both take the step of the mean loss."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.models import mlp_ratio
from wasserflow.spaces import Normal
from wasserflow.training.batches import step_stream

SCRIPT = """
import os, sys, lightning, torch, wasserflow as wf
from torch.utils.data import DataLoader

torch.set_num_threads(1)
points, state, out = torch.load(sys.argv[1]), torch.load(sys.argv[2]), sys.argv[3]
network = wf.models.mlp_ratio(width=8)
network.load_state_dict(state)
options = {"flow_steps": 3, "step_size": 0.3, "lr": 1e-2, "ema": 0.5, "decay_at": (), "seed": 4}
model = wf.FlowGuidedRatio(network, wf.spaces.Normal(2), **options)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
# Lightning's own sampler would shuffle.
options = {"max_steps": 2, "devices": 2, "strategy": "ddp", "accelerator": "cpu", "use_distributed_sampler": False}
trainer = lightning.Trainer(**options, **quiet)
trainer.fit(model, DataLoader(points[int(os.environ.get("LOCAL_RANK", 0)) :: 2], batch_size=4))
torch.save({"network": network.state_dict(), "average": model.sampler.state_dict()}, f"{out}/{trainer.global_rank}.pt")
"""


def mean_loss(network: nn.Module, shares: list[Tensor], step: int) -> Tensor:
    """The mean of the losses of both processes, each on its own data and its own random numbers."""
    losses = []
    for rank, data in enumerate(shares):
        stream = step_stream(4, step, rank)
        real = data + 3e-2 * torch.randn(data.shape, generator=stream)
        seeds = wf.sample_seeds(stream, len(data))
        rule = wf.EulerMaruyama(0.3, temperature=1e-2**2 / 0.6)
        potential = wf.potentials.LearnedRatio(wf.Pearson(), wf.least_squares, network)
        x = wf.flow(Normal(2).sample(len(data), seeds), potential, rule, steps=3, seed=seeds).x
        losses.append(wf.least_squares(network(real), network(x)))
    return torch.stack(losses).mean()


def test_two_processes_take_the_step_of_the_mean_loss(tmp_path: Path) -> None:
    points = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    network = mlp_ratio(width=8)
    torch.save(points, tmp_path / "points.pt")
    torch.save(network.state_dict(), tmp_path / "start.pt")
    files = [str(tmp_path / name) for name in ("points.pt", "start.pt", "")]
    (tmp_path / "train.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "-W", "ignore", str(tmp_path / "train.py"), *files], check=True, timeout=300)
    expected = copy.deepcopy(network)
    adam = torch.optim.Adam(expected.parameters(), lr=1e-2)
    for step in range(2):
        shares = [points[8 * step + rank : 8 * (step + 1) : 2] for rank in range(2)]
        adam.zero_grad()
        mean_loss(expected, shares, step).backward()
        adam.step()
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for part in ("network", "average"):
        for name, value in first[part].items():
            assert torch.equal(value, second[part][name]), (part, name)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(first["network"][name], value, rtol=1e-4, atol=1e-5)
