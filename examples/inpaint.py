"""Fill the lower half of images in the latents of a GAN, by a potential of one's own: `python examples/inpaint.py`.

The energy is the squared error on the half that is known, plus what the critic says of the whole image. Writing a
potential takes a dataclass with `__call__`, from (batch, *event) to (batch,); it then adds, scales and pulls back.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.reports import image_grid, side_by_side

OUT = Path("runs/examples")
N, STEPS = 16, 150


@dataclass(frozen=True, eq=False)
class KnownPixels(wf.Potential):
    """‖mask (x - known)‖² / 2."""

    known: Tensor
    mask: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Evaluate the energy of (batch, *event) images."""
        return (self.mask * (x - self.known)).square().flatten(1).sum(dim=1) / 2


pair = wf.zoo.load("cifar10-sndcgan")
generator, critic = wf.prepare(pair.generator, pair.critic)
with torch.no_grad():  # images that the generator can make, so that there is an answer
    images = generator(pair.prior.sample(N, seed=0))
mask = torch.zeros(1, 1, 32, 32)
mask[..., :16, :] = 1.0  # the upper half is known

terms = KnownPixels(images, mask) + 0.5 * wf.Divergence(wf.KL(), critic)
potential = wf.Pullback(terms, generator) + 0.1 * wf.GaussianPrior()
start = pair.prior.sample(N, seed=1)
state = wf.flow(start, potential, wf.Optimizer(lambda z: torch.optim.Adam(z, lr=0.1)), steps=STEPS)

with torch.no_grad():
    guesses, filled = generator(start), generator(state.x)
for name, made in (("at the start", guesses), ("after the flow", filled)):
    known, hidden = ((m * (made - images)).square().sum() / (m.sum() * N * 3) for m in (mask, 1 - mask))
    print(f"{name:>15}: mean squared error {known:.3f} of the known half, {hidden:.3f} of the hidden half")

OUT.mkdir(parents=True, exist_ok=True)
pictures = [image_grid(x, columns=4) for x in (mask * images + (1 - mask), filled, images)]
side_by_side(pictures, ["known", "filled", "truth"]).save(OUT / "inpainted.png")
print(f"open {OUT / 'inpainted.png'}")
