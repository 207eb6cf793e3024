"""One random stream a sample, so that a sample does not depend on who travels with it.

A stream is a 64-bit key; the numbers are a pure function of (key, step, position), computed by the SplitMix64 mixer
(Steele, Lea & Flood 2014). Being stateless they are the same on every device, for every batch size and for any number
of processes, and a flow can be resumed at any step.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

Seed = int | Sequence[int] | torch.Generator | Tensor | np.ndarray


def _signed(value: int) -> int:
    """The two's complement reading of a 64-bit pattern: torch's only 64-bit integer type is signed."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


_AHEAD, _STEPS_AHEAD = 2**17, 10  # numbers and steps made at once: few enough for the cache and for a short flow
_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX1 = _signed(0xBF58476D1CE4E5B9)
_MIX2 = _signed(0x94D049BB133111EB)


def _xor_shift(x: Tensor, by: int) -> Tensor:
    # torch shifts signed integers arithmetically; the mask makes the shift logical.
    return x.bitwise_xor_((x >> by).bitwise_and_((1 << (64 - by)) - 1))


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser, in place."""
    x = _xor_shift(x, 30).mul_(_MIX1)
    x = _xor_shift(x, 27).mul_(_MIX2)
    return _xor_shift(x, 31)


def sample_seeds(seed: Seed, n: int) -> Int64[Tensor, " n"]:
    """Give each of n samples a seed of its own.

    An int seeds the whole set: sample i gets a hash of (seed, i), so that the first samples of a longer run are those
    of a shorter one and the runs of seeds 0 and 1 share nothing. A sequence is taken as it is, one seed a sample. A
    `torch.Generator` is drawn from once, and so advances.

    Args:
        seed: an int, a sequence, tensor or array of n ints, or a `torch.Generator`.
        n: how many samples there are.

    Returns:
        (n,) int64 seeds, on the CPU; any slice of them (as a list or as this tensor) is a valid seed for those samples.

    Raises:
        ValueError: a sequence of another length than n, or n below 0.
        TypeError: a seed of another type, or n that is not an int.

    Example:
        >>> import wasserflow as wf
        >>> seeds = wf.sample_seeds(0, 1000)
        >>> a = wf.spaces.Normal(2).sample(1000, seed=0)
        >>> b = wf.spaces.Normal(2).sample(10, seed=seeds[500:510].tolist())
        >>> bool((a[500:510] == b).all())
        True
    """
    if isinstance(n, bool) or not isinstance(n, Integral):
        raise TypeError(f"n is {n!r}; give an int of 0 or more")
    if n < 0:
        raise ValueError(f"n is {n}; ask for 0 samples or more")
    if isinstance(seed, torch.Generator):
        seed = int(torch.randint(0, 2**62, (), generator=seed, device=seed.device))
    if isinstance(seed, bool):
        raise TypeError(f"seed is {seed!r}; give an int, a sequence of {n} ints, or a torch.Generator")
    if isinstance(seed, Integral):
        base = _mix(torch.tensor([_signed(int(seed))]))
        return _mix(torch.arange(1, n + 1).mul_(_GOLDEN).add_(base))
    if isinstance(seed, Tensor):
        if seed.dtype.is_floating_point or seed.dtype.is_complex or seed.ndim != 1:
            raise TypeError(f"seed is a tensor {tuple(seed.shape)} of {seed.dtype}; give a 1-D tensor of ints")
        seed = seed.tolist()
    if isinstance(seed, np.ndarray):
        if seed.ndim != 1 or seed.dtype.kind not in "iu":
            raise TypeError(f"seed is an array {seed.shape} of {seed.dtype}; give a 1-D array of ints")
        seed = seed.tolist()
    if isinstance(seed, (str, bytes)) or not isinstance(seed, Sequence):
        raise TypeError(f"seed is {seed!r}; give an int, a sequence of {n} ints, or a torch.Generator")
    if len(seed) != n:
        raise ValueError(f"seed has {len(seed)} entries for {n} samples; give one int, or exactly {n} of them")
    for value in seed:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"seed contains {value!r}; every entry must be an int")
    return torch.tensor([_signed(int(value)) for value in seed], dtype=torch.int64)


def subseed(seed: int, purpose: str) -> int:
    """Give another purpose a seed of its own: what is measured against what was drawn must not share its numbers.

    Args:
        seed: what the user gave.
        purpose: what the numbers are for; every purpose has other ones.

    Returns:
        A hash of both from 0 to 2³² - 1, which numpy takes as well.

    Example:
        >>> from wasserflow.seeds import subseed
        >>> subseed(0, "reference") == subseed(0, "reference"), subseed(0, "reference") == subseed(0, "training")
        (True, False)
    """
    key = _signed(seed ^ (zlib.crc32(purpose.encode()) << 32))
    return int(_mix(torch.tensor([key]))) & (2**32 - 1)


@contextmanager
def global_stream(seed: int) -> Iterator[None]:
    """Seed torch's global stream of the CPU inside the block, and give the caller's back after it.

    For what draws from nowhere else, such as the initial weights of layers.

    Args:
        seed: of the stream inside.

    Example:
        >>> import torch
        >>> from wasserflow.seeds import global_stream
        >>> with global_stream(0):
        ...     first = torch.rand(2)
        >>> with global_stream(0):
        ...     bool((torch.rand(2) == first).all())
        True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the streams of GPUs too
        yield


@dataclass(frozen=True, eq=False)
class Noise:
    """The random numbers of a batch of samples at one step of a flow.

    The draws of one stream are made of the same bits: `normal`, `uniform` and `integers` of one stream depend on each
    other, and a second draw repeats the first. Give every draw of a step a stream of its own.

    Args:
        seeds: (batch,) int64, one seed a sample, on the device of the particles.
        step: of the flow; every step has fresh numbers. A prior draws those of step -1, and toy data those of -2,
            so that neither is followed by its own numbers again.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.seeds import Noise
        >>> noise = Noise(wf.sample_seeds(0, 4), step=3)
        >>> kick, chance = noise.normal(torch.empty(4, 2)), noise.uniform(torch.empty(4), stream=1)
        >>> kick.shape, chance.shape
        (torch.Size([4, 2]), torch.Size([4]))
    """

    seeds: Int64[Tensor, " batch"]
    step: int

    def at(self, step: int) -> Noise:
        """The numbers of the same samples at another step; those drawn step by step are made for several at once."""
        other = Noise(self.seeds, step)
        vars(other).update(_mixed=self._mixed, _made=self._made)
        return other

    @cached_property
    def _mixed(self) -> Int64[Tensor, " batch"]:
        return _mix(self.seeds.clone())

    @cached_property
    def _made(self) -> dict[tuple[object, ...], tuple[int, Tensor]]:
        """By the kind of numbers: the step that the last ones begin with, and (steps, batch, *event) of them."""
        return {}

    def _bits(self, per_sample: int, stream: int, steps: int = 1) -> Int64[Tensor, "steps batch per_sample"]:
        first = _signed((self.step + 1) * 0x9E3779B97F4A7C15 + (stream + 1) * 0xD1B54A32D192ED03)
        stream_keys = torch.arange(steps, device=self.seeds.device).mul_(_GOLDEN).add_(first)
        keys = _mix(self._mixed + stream_keys[:, None])
        counters = torch.arange(1, per_sample + 1, device=self.seeds.device).mul_(_GOLDEN)
        return _mix(keys[:, :, None] + counters)

    def normal(self, like: Float[Tensor, "batch *event"], stream: int = 0) -> Float[Tensor, "batch *event"]:
        """Standard normal numbers with the shape, dtype and device of `like` (Box–Muller)."""
        kind = (stream, like.shape, like.dtype, like.device)
        steps = min(_STEPS_AHEAD, _AHEAD // max(1, like.numel()))
        # Who comes a second time will come again.
        if kind not in self._made or steps < 2:
            self._made[kind] = self.step, like[None, :0]
            return self._normal(like, stream, steps=1)[0]
        first, made = self._made[kind]
        if not made.numel() or not first <= self.step < first + len(made):
            first, made = self._made[kind] = self.step, self._normal(like, stream, steps)
        return made[self.step - first].clone()

    def _normal(self, like: Tensor, stream: int, steps: int) -> Float[Tensor, "steps batch *event"]:
        n, size = like.shape[0], like[0].numel() if len(like) else 0
        pairs = (size + 1) // 2
        bits = self._bits(pairs, stream, steps)
        # 32 bits are exact in float64 only; float32 would round the tail of the radius to a grid of 2^-24.
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        radius = _unit(bits >> 32, torch.float64).log_().mul_(-2).sqrt_().to(dtype)
        angle = _unit(bits, dtype, 2 * math.pi)
        pair = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
        return pair.reshape(steps, n, 2 * pairs)[:, :, :size].to(like.dtype).reshape(steps, *like.shape)

    def uniform(self, like: Float[Tensor, "batch *event"], stream: int = 0) -> Float[Tensor, "batch *event"]:
        """Uniform numbers on (0, 1) with the shape, dtype and device of `like`."""
        size = like[0].numel() if len(like) else 0
        numbers = _unit(self._bits(size, stream)[0], torch.float64).to(like.dtype)
        # Rounding to fewer bits can reach 1, which the interval leaves out.
        return numbers.clamp_(max=1 - torch.finfo(like.dtype).eps / 2).reshape(like.shape)

    def integers(self, stream: int = 0) -> Int64[Tensor, " batch"]:
        """One 64-bit integer a sample: a seed for something that belongs to the sample."""
        return self._bits(1, stream)[0, :, 0]


def _unit(bits: Tensor, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
    """The low 32 bits as a number in (0, scale): the half keeps the logarithm of 0 away."""
    return bits.bitwise_and((1 << 32) - 1).to(dtype).add_(0.5).mul_(2.0**-32 * scale)
