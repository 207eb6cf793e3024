"""A method in ten lines: DGflow that cools down, stops where nothing moves, and keeps its path.

`python examples/a_method_of_your_own.py`, some seconds.
"""

import math
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

import wasserflow as wf
from wasserflow.reports import save_animation, scatter_frame

OUT = Path("runs/examples")


def cooled(critic: wf.ratios.LogRatio, x0: Tensor, steps: int = 100, least: float = 1e-3) -> list[Tensor]:
    """Move samples down -critic(x) with a step and a temperature that fall, until the mean move is below `least`."""
    rule = wf.EulerMaruyama(
        step_size=lambda step: 0.02 * math.exp(-step / 40), temperature=lambda step: 0.02 * math.exp(-step / 10)
    )
    path = [x0]
    for state in tqdm(wf.iterate(x0, wf.Divergence(wf.KL(), critic), rule, seed=0), total=steps):
        path.append(state.x)
        if state.step == steps or (path[-1] - path[-2]).norm(dim=1).mean() < least:
            return path


pair = wf.zoo.load("swissroll")
with torch.no_grad():
    samples = pair.generator(pair.prior.sample(1_000, seed=0))
path = cooled(pair.critic, samples)
moved = (path[-1] - samples).norm(dim=1).mean()
print(f"stopped after {len(path) - 1} steps; the samples moved by {moved:.3f} on average")

OUT.mkdir(parents=True, exist_ok=True)
data = wf.data.SwissRoll().sample(1_000, seed=1)
limits = (float(data.min()) - 0.2, float(data.max()) + 0.2)
frames = [scatter_frame(x, limits, data, f"step {step}") for step, x in list(enumerate(path))[::4]]
save_animation(OUT / "cooled.gif", frames)
print(f"open {OUT / 'cooled.gif'}")
