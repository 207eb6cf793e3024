"""Teach a generator to make refined samples by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.checks import require_counts, require_sets
from wasserflow.freezing import adopt, copied, frozen, modules_in
from wasserflow.modes import require_eval
from wasserflow.rows import in_batches
from wasserflow.training.regression import learn_pairs, require_pairs
from wasserflow.training.run import check_run, run_without_a_folder
from wasserflow.training.settings import require_adam, require_not_negative


@dataclass(frozen=True, eq=False)
class Distilled:
    """A generator that has learnt where a refinement takes its samples.

    Args:
        generator: maps (batch, *latent) to (batch, *event), in eval mode.
        explained: share of the refinement's squared moves that it makes by itself, of held-out latents and by the
            distance it learnt in: 1 is all of them, 0 none, below 0 worse than the generator it was.
    """

    generator: nn.Module
    explained: float


class _Seen(nn.Module):
    """What is compared of what a generator makes."""

    def __init__(self, generator: nn.Module, view: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.generator, self.view = generator, view
        adopt(self, view)

    def forward(self, z: Tensor) -> Tensor:
        return self.view(self.generator(z))


def distil(
    generator: nn.Module,
    latents: Float[Tensor, "n *latent"],
    samples: Float[Tensor, "n *event"],
    features: Callable[[Tensor], Tensor],
    samples_weight: float = 0.3,
    steps: int = 500,
    lr: float = 2e-4,
    batch_size: int = 64,
    seed: int = 0,
    progress: bool = True,
) -> Distilled:
    """Teach a copy of a generator G to make refined samples in one evaluation.

    Lowers E ‖φ(G(z)) - φ(x_T)‖² / var φ(x_T) + λ E ‖G(z) - x_T‖² / var x_T over pairs of a latent z and the refined
    sample x_T that it became. The mean of what could follow is blurred in pixels, so features φ of a network come
    first; they alone would not mind a fine grid over flat areas. The pairs are a refinement's own, `z` and
    `wf.refine(critic, z, generator, ...).samples`: thousands, the more the better. A tenth of them is held out, to
    measure `.explained`.

    Args:
        generator: maps (batch, *latent) to (batch, *event), in eval mode; not changed. All its parameters learn.
        latents: (n, *latent) where the flow began.
        samples: (n, *event) refined samples, in the same order.
        features: φ, maps (batch, *event) to (batch, ...) differentiably, such as
            `wf.zoo.load("cifar10-robust").model.features`; `torch.nn.Identity()` compares samples themselves. To judge
            the result take other ones.
        samples_weight: λ, of the samples themselves beside their features.
        steps: updates, at least 1.
        lr: learning rate that Adam starts with.
        batch_size: pairs in an update.
        seed: chooses the batches and what is held out.
        progress: show a progress bar.

    Returns:
        The copy, in eval mode, and how much it explains.

    Raises:
        TypeError: latents or samples that are not floating-point tensors, or a generator that is no module.
        ValueError: pairs that are not finite, not as many, fewer than 10 or of other shapes than the generator's, a
            module in train mode, or settings out of range.

    Source: regression onto the end of a path is the distillation of Luhman & Luhman (arXiv 2101.02388); distances in
        features are those of Dosovitskiy & Brox (NeurIPS 2016).

    Example:
        >>> import torch, wasserflow as wf
        >>> generator, z = torch.nn.Linear(2, 2), wf.spaces.Normal(2).sample(500)
        >>> critic = lambda x: -x.square().sum(dim=1)
        >>> r = wf.refine(critic, z, generator, integrator=wf.EulerMaruyama(0.02), steps=25)
        >>> same = torch.nn.Identity()
        >>> d = wf.training.distil(generator, z, r.samples, same, steps=300, lr=0.05, progress=False)
        >>> d.explained > 0.99
        True
    """
    require_counts(steps=steps)
    options: dict[str, Any] = {"iterations": steps, "lr": lr, "batch_size": batch_size, "seed": seed}
    options |= {"checkpoint_every": steps, "progress": progress}
    with run_without_a_folder() as out:
        return train_distilled(generator, latents, samples, features, out, samples_weight, **options)


def train_distilled(
    generator: nn.Module,
    latents: Float[Tensor, "n *latent"],
    samples: Float[Tensor, "n *event"],
    features: Callable[[Tensor], Tensor],
    out: Path,
    samples_weight: float = 0.3,
    *,
    iterations: int = 1_000,
    lr: float = 2e-4,
    batch_size: int = 64,
    seed: int = 0,
    **run: Any,
) -> Distilled:
    """Do what `distil` does, and leave the run in a folder, `last.ckpt` to resume from and `log/`.

    Args:
        generator: see `distil`.
        latents: see `distil`.
        samples: see `distil`.
        features: see `distil`.
        out: a folder which does not exist yet, unless `resume` is given.
        samples_weight: see `distil`.
        iterations: updates in the whole run.
        lr: learning rate that Adam starts with.
        batch_size: pairs in an update.
        seed: chooses the batches and what is held out.
        run: options of `fit_run`.

    Returns:
        The copy, in eval mode, and how much it explains.

    Raises:
        TypeError: see `distil`.
        ValueError: see `distil`.
        FileExistsError: `out` exists and `resume` is False.
        FileNotFoundError: `resume` is True and there is no `out/last.ckpt`.
    """
    check_run(out, run)
    require_sets(latents=latents)
    require_sets(samples=samples)
    require_pairs(latents=latents, samples=samples)
    require_counts(iterations=iterations, batch_size=batch_size)
    require_adam(lr)
    require_not_negative(samples_weight=samples_weight)
    if not isinstance(generator, nn.Module):
        raise TypeError(f"the generator is a {type(generator).__name__}; give an nn.Module, a copy of which can learn")
    judges = modules_in(features)
    require_eval([generator, *judges])

    def seen(x: Tensor) -> Tensor:
        return features(x.clone()).flatten(1)  # networks may begin in place

    with torch.inference_mode(False), torch.no_grad():
        # Inference tensors cannot be trained on, nor twice those with a graph.
        latents, samples = latents.clone(), samples.clone()
        made = generator(latents[:2])
        if made.shape != samples[:2].shape:
            raise ValueError(f"the generator makes {tuple(made.shape[1:])} and samples are {tuple(samples.shape[1:])}")
        goal, copy = (in_batches(seen, samples), samples.flatten(1)), copied(generator)
        units = _units(*goal, samples_weight)

    def view(x: Tensor) -> Tensor:
        return _joined(seen(x), x.flatten(1), units)

    settings: dict[str, Any] = {"iterations": iterations, "lr": lr, "batch_size": batch_size, "seed": seed}
    with frozen(judges):
        learning = _Seen(copy.requires_grad_(True), view)
        goals = _joined(*goal, units)
        explained = learn_pairs(learning, latents, goals, _Seen(generator, view), out, **settings, **run)
    for learnt, given in zip(copy.parameters(), generator.parameters(), strict=True):
        learnt.requires_grad_(given.requires_grad)
    return Distilled(copy, explained)


def _units(seen: Tensor, samples: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """What features and samples are multiplied by: each by its standard deviation, and so that their mean is a sum."""
    variances = [part.var(dim=0).sum() for part in (seen, samples)]
    length = seen.shape[1] + samples.shape[1]
    one, other = ((length / torch.where(variance > 0, variance, 1.0)).sqrt() for variance in variances)
    return one, weight**0.5 * other


def _joined(seen: Tensor, samples: Tensor, units: tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat([part * unit.to(part) for part, unit in zip((seen, samples), units, strict=True)], dim=1)
