"""Refine the samples of a 2-D GAN and draw them before and after: `python examples/refine_points.py`, some seconds."""

from pathlib import Path

import torch

import wasserflow as wf
from wasserflow.data import Gaussians25
from wasserflow.metrics.toy import high_quality_fraction
from wasserflow.reports import save_scatter_panels

OUT = Path("runs/examples")
N = 2_000

pair = wf.zoo.load("25gaussians")  # or modules of your own, and wf.spaces.Normal(2)
z = pair.prior.sample(N, seed=0)
with torch.no_grad():
    before = pair.generator(z)

rule = wf.EulerMaruyama(step_size=0.01, temperature=0.01)
data_space = wf.refine(pair.critic, before, integrator=rule, steps=100, seed=0)  # the points move themselves
latent_space = wf.refine(pair.critic, z, pair.generator, integrator=rule, steps=100, seed=0)  # their latents do

data = Gaussians25()
clouds = {"before": before, "data space": data_space.samples, "latent space": latent_space.samples}
for name, cloud in clouds.items():
    share = high_quality_fraction(cloud, data.means, data.std)
    print(f"{name:>12}: {100 * share:.1f} % within four standard deviations of a mean")

OUT.mkdir(parents=True, exist_ok=True)
save_scatter_panels(OUT / "points.png", clouds.pop("before"), clouds, data=data.sample(N, seed=1))
print(f"open {OUT / 'points.png'}")
