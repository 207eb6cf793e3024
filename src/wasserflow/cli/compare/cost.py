"""What a method spends: samples that pass through a generator and a critic, counted as they do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from wasserflow.freezing import adopt

UNIT = (
    "1 unit: one sample passes forward, or backward (gradients of inputs only), through generator and critic; through "
    "one of them alone it is half a unit. A gradient evaluation in latent space is 2 units, a proposal and its "
    "log-ratio 1"
)
_FINAL = 0.5  # the generator's pass that makes samples of the last latents


def allowance(budget: int) -> float:
    """The units a sample that so many gradient evaluations in latent space take, and then making the sample."""
    return 2.0 * budget + _FINAL


@dataclass(frozen=True)
class Cost:
    """What has been spent, all samples together.

    A backward pass for the gradient of inputs has as many multiplications as a forward pass, so both weigh the same.

    Args:
        generator_forwards: samples that passed forward through the generator.
        generator_backwards: backward.
        critic_forwards: through the critic, or through its layers up to its features.
        critic_backwards: backward.
        seconds: of the clock.
    """

    generator_forwards: int = 0
    generator_backwards: int = 0
    critic_forwards: int = 0
    critic_backwards: int = 0
    seconds: float = 0.0

    @property
    def units(self) -> float:
        """Half a unit a sample and pass."""
        passes = self.generator_forwards + self.generator_backwards + self.critic_forwards + self.critic_backwards
        return passes / 2

    def __add__(self, other: Cost) -> Cost:
        return self._plus(other, 1)

    def __sub__(self, other: Cost) -> Cost:
        return self._plus(other, -1)

    def _plus(self, other: Cost, sign: int) -> Cost:
        return Cost(
            self.generator_forwards + sign * other.generator_forwards,
            self.generator_backwards + sign * other.generator_backwards,
            self.critic_forwards + sign * other.critic_forwards,
            self.critic_backwards + sign * other.critic_backwards,
            self.seconds + sign * other.seconds,
        )


@dataclass
class Passes:
    """How many samples passed through a network."""

    forwards: int = 0
    backwards: int = 0


class Counted(nn.Module):
    """A network that counts the samples that pass through it.

    Args:
        network: maps (batch, *event) to a tensor; a module, or a method of one.
        passes: counts.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], passes: Passes) -> None:
        super().__init__()
        self.network, self.passes = network, passes
        adopt(self, network)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network makes of x."""
        self.passes.forwards += len(x)
        y = self.network(x)
        if y.requires_grad:
            y.register_hook(self._count_backward)
        return y

    def _count_backward(self, gradient: Tensor) -> None:
        self.passes.backwards += len(gradient)


@dataclass
class Meter:
    """Counts passes and seconds.

    Args:
        generator: the passes of everything that `Counted` was given with them.
        critic: the same.
    """

    generator: Passes = field(default_factory=Passes)
    critic: Passes = field(default_factory=Passes)
    _paused: Cost = field(default_factory=Cost)

    def read(self) -> Cost:
        """What was spent so far, pauses left out."""
        return self._all() - self._paused

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing inside the block."""
        before = self._all()
        try:
            yield
        finally:
            self._paused += self._all() - before

    def _all(self) -> Cost:
        generator, critic = self.generator, self.critic
        passes = (generator.forwards, generator.backwards, critic.forwards, critic.backwards)
        return Cost(*passes, seconds=time.perf_counter())
