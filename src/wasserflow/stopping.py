"""When a sample is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wasserflow.checks import listed, not_finite, require_sets
from wasserflow.freezing import modules_in
from wasserflow.integrators import State
from wasserflow.modes import require_eval
from wasserflow.potentials import Energy
from wasserflow.rows import in_batches, moving

Stop = Callable[[Tensor, Tensor], Tensor]
"""(batch,) energies of the particles now, and of where they began -> (batch,) bool: which of them are done."""


@dataclass(frozen=True, eq=False)
class QuantileMatching:
    """Done once the energy of a particle is as low as that of the real sample of its own rank.

    A particle that began at energy e is done at F_real⁻¹(F_unrefined(e)), where F are the distribution functions of the
    energies of real and of unrefined samples: the energies of what is refined come to be distributed as those of real
    samples, bad samples move far and good ones little, whatever the step size.

    Args:
        real: (n,) energies of real samples, in rising order.
        unrefined: (m,) energies of unrefined samples, in rising order.

    Example:
        >>> import torch, wasserflow as wf
        >>> rule = wf.stopping.QuantileMatching(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([4.0, 5.0, 6.0]))
        >>> rule(torch.tensor([0.5, 0.5]), torch.tensor([4.0, 5.0]))
        tensor([False,  True])
    """

    real: Float[Tensor, " n"]
    unrefined: Float[Tensor, " m"]

    def __call__(self, energy: Float[Tensor, " batch"], first: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Tell which particles are done, of their energies now and where they began."""
        unrefined = self.unrefined.to(first.device)
        # The middle of its steps: a distribution function by counting jumps where samples tie.
        below, upto = (torch.searchsorted(unrefined, first.contiguous(), side=side) for side in ("left", "right"))
        rank = (below + upto).double() / (2 * len(unrefined))
        place = rank * (len(self.real) - 1)
        real = self.real.double().to(first.device)
        low = place.floor().long()
        target = torch.lerp(real[low], real[place.ceil().long()], place - low)
        return energy <= target


def match_quantiles(
    energy: Energy,
    real: Float[Tensor, "n *event"],
    unrefined: Float[Tensor, "m *event"],
    batch_size: int = 100,
) -> QuantileMatching:
    """Stop each particle at the energy of the real sample of its own rank (`QuantileMatching`).

    Args:
        energy: of samples, the one that the flow descends before it is pulled back; for `wf.refine`,
            `wf.Divergence(divergence, critic)`.
        real: (n, *event) real samples; some hundred or more.
        unrefined: (m, *event) samples as the generator makes them; others than those that will move, or the same.
        batch_size: samples at a time.

    Raises:
        ValueError: empty sets, sets of different shapes, energies that are not finite or not one a sample, or a module
            in train mode.
        TypeError: sets that are not floating-point tensors.

    Example:
        >>> import torch, wasserflow as wf
        >>> critic = lambda x: -x.square().sum(dim=1) / 2
        >>> real, unrefined = wf.spaces.Normal(2).sample(500, seed=1), 3 * wf.spaces.Normal(2).sample(500, seed=2)
        >>> rule = wf.stopping.match_quantiles(wf.Divergence(wf.KL(), critic), real, unrefined)
        >>> r = wf.refine(critic, 3 * wf.spaces.Normal(2).sample(500, seed=3), steps=100, stop=rule)
        >>> bool((r.samples.var() - 1).abs() < 0.2), r.evaluations < 500 * 20
        (True, True)
    """
    require_sets(real=real, unrefined=unrefined)
    require_eval(modules_in(energy))
    with torch.no_grad():
        # Networks may begin in place.
        energies = [in_batches(lambda part: energy(part.clone()), x, batch_size) for x in (real, unrefined)]
    for name, values in zip(("real", "unrefined"), energies, strict=True):
        if values.ndim != 1:
            got = tuple(values.shape[1:])
            raise ValueError(
                f"the energy of a sample has shape {got}; give a function from (batch, *event) to (batch,)"
            )
        if bad := not_finite(values):
            raise ValueError(f"the energy of {name} sample {listed(bad)} is NaN or infinite; leave those out")
    return QuantileMatching(*(values.sort().values for values in energies))


@dataclass(eq=False)
class Halt:
    """Particles that a rule has stopped are held where they are, and cost nothing more.

    Args:
        stop: the rule; None stops nothing.
        x: (batch, *event) particles as last seen.

    Example:
        >>> import torch
        >>> from wasserflow.stopping import Halt
        >>> Halt(lambda energy, first: energy < 1, torch.zeros(3, 2)).over
        False
    """

    stop: Stop | None
    x: Float[Tensor, "batch *event"]
    done: Bool[Tensor, " batch"] = field(init=False)
    steps: Int64[Tensor, " batch"] = field(init=False)
    evaluations: int = field(init=False, default=0)
    first: Float[Tensor, " batch"] | None = field(init=False, default=None)
    energy: Float[Tensor, " batch"] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.done = torch.zeros(len(self.x), dtype=torch.bool, device=self.x.device)
        self.steps = torch.zeros(len(self.x), dtype=torch.int64, device=self.x.device)

    @property
    def over(self) -> bool:
        """Whether every particle is done."""
        return self.stop is not None and bool(self.done.all())

    def sparing(self, evaluate: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
        """Evaluate energies and gradients of the particles that still move; those of the others are 0."""
        if self.stop is None or not self.done.any():
            return evaluate(x)
        rows = (~self.done).nonzero().flatten()
        with moving(rows):
            going = evaluate(x[rows])
        energy, gradient = (values.new_zeros(len(x), *values.shape[1:]) for values in going)
        energy[rows], gradient[rows] = going
        return energy, gradient

    def hold(self, before: State, after: State) -> State:
        """Apply the rule to a step, and give the state as it is to be seen."""
        if self.stop is None:
            return after
        assert after.energy is not None
        moved = int((~self.done).sum())
        self.evaluations += (after.evaluations - before.evaluations) // len(self.x) * moved
        self.energy = after.energy if self.energy is None else torch.where(self.done, self.energy, after.energy)
        self.first = self.energy if self.first is None else self.first
        self.done = self.done | _answer(self.stop, self.energy, self.first)
        self.steps = self.steps + ~self.done
        held = self.done.view(-1, *[1] * (self.x.ndim - 1))
        self.x = torch.where(held, self.x, after.x)
        return replace(after, x=self.x, energy=self.energy, evaluations=self.evaluations, steps=self.steps)


def _answer(stop: Stop, energy: Tensor, first: Tensor) -> Tensor:
    done = stop(energy, first)
    if not isinstance(done, Tensor) or done.dtype != torch.bool or done.shape != energy.shape:
        kind = f"{done.dtype} {tuple(done.shape)}" if isinstance(done, Tensor) else type(done).__name__
        raise ValueError(f"stop returned {kind}; it must return a bool tensor {tuple(energy.shape)}")
    return done
