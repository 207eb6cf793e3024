"""Proposals drawn and judged, one stream a slot: what the methods that accept and reject share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from jaxtyping import Bool, Float64, Int64, Shaped
from torch import Tensor

from wasserflow.checks import listed, not_finite
from wasserflow.freezing import kinds_explained, modules_in, require_same_result
from wasserflow.modes import require_eval
from wasserflow.ratios import LogRatio, log_ratio_of
from wasserflow.rows import moving
from wasserflow.seeds import Noise, Seed, sample_seeds

Propose = Callable[..., Tensor]
Samples = Shaped[Tensor, "batch *event"]
LogRatios = Float64[Tensor, " batch"]
Seeds = Int64[Tensor, " batch"]

_AT_ONCE = 500
_BURN_IN = 0x6275726E  # the burn-in's seed: the same for all, or a sample would depend on the others of its batch
_LEAST_RATE = 1e-3


def slot_seeds(propose: Propose, log_ratio: LogRatio, n: int, seed: Seed) -> Seeds:
    """Refuse what cannot be sampled, and give each of n slots its seed.

    Raises:
        TypeError: something that cannot be called, an n that is not an int, or a seed of another type.
        ValueError: n below 1, a seed list of another length, or a module in train mode.
    """
    for name, value in (("propose", propose), ("log_ratio", log_ratio)):
        if not callable(value):
            raise TypeError(f"{name} is a {type(value).__name__}; give a function")
    seeds = sample_seeds(seed, n)
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least 1 sample")
    require_eval(modules_in(propose, log_ratio))
    return seeds


def draw(
    propose: Propose,
    log_ratio: LogRatio,
    seeds: Seeds,
    step: int,
    like: Tensor | None = None,
    slots: Int64[Tensor, " batch"] | None = None,
) -> tuple[Samples, LogRatios]:
    """Draw one proposal a slot, each with a hash of (the slot's seed, step) for its seed, and judge it.

    Args:
        propose: maps (n, seeds) to n samples.
        log_ratio: log p_data - log p_model.
        seeds: of the slots.
        step: how many proposals the slots have drawn before.
        like: samples whose shape and dtype the proposals must have; None at the first draw.
        slots: which slots these are, so that labels of one a slot follow; all of them if None.

    Raises:
        TypeError: proposals that are not a tensor.
        ValueError: another number of them, another shape or dtype, or some that are NaN, infinite, or judged so.
    """
    drawn: list[Tensor] = []
    judged: list[Tensor] = []
    slots = torch.arange(len(seeds)) if slots is None else slots
    for part, rows in zip(Noise(seeds, step).integers().split(_AT_ONCE), slots.split(_AT_ONCE), strict=True):
        with moving(rows), torch.no_grad():
            proposed = propose(len(part), part)
            require_samples(proposed, len(part), drawn[0] if drawn else like)
            judged.append(log_ratios_of(log_ratio, proposed))
        drawn.append(proposed)
    return torch.cat(drawn), torch.cat(judged)


def burn_in_log_ratios(propose: Propose, log_ratio: LogRatio, burn_in: int, n: int) -> LogRatios:
    """Judge proposals for n slots, their seeds the same whatever is sampled after them.

    Labels of one a slot come in turn.

    Raises:
        ValueError: a burn-in below 1.
    """
    if burn_in < 1:
        raise ValueError(f"burn_in is {burn_in}; give at least 1, 10000 as published")
    return draw(propose, log_ratio, sample_seeds(_BURN_IN, burn_in), 0, slots=torch.arange(burn_in) % n)[1]


def log_ratios_of(log_ratio: LogRatio, x: Samples) -> LogRatios:
    """Evaluate a log-ratio without gradients, in float64; -inf is no data here, which any rule rejects.

    Raises:
        ValueError: a NaN or +inf, or samples of another device or floating dtype than the log-ratio's modules.
    """
    with torch.no_grad(), kinds_explained(x, modules_in(log_ratio) if x.is_floating_point() else []):
        values = log_ratio_of(log_ratio, x)
    require_same_result(x, log_ratio, values)
    values = values.double()
    bad = not_finite(values.masked_fill(values == -torch.inf, 0))
    if bad:
        raise ValueError(f"the log-ratio of proposal {listed(bad)} is NaN or +inf; give a log_ratio that is neither")
    return values


def accepts(log_acceptance: LogRatios, seeds: Seeds, step: int) -> Bool[Tensor, " batch"]:
    """Accept with these log-probabilities, by the numbers that a slot has for this proposal."""
    return Noise(seeds.to(log_acceptance.device), step).uniform(log_acceptance, stream=1).log() < log_acceptance


def draw_until_accepted(
    propose: Propose, log_ratio: LogRatio, seeds: Seeds, log_acceptance: Callable[[LogRatios], LogRatios]
) -> tuple[Samples, LogRatios, Int64[Tensor, " batch"]]:
    """Let every slot draw until it accepts.

    Returns:
        The accepted samples, their log-ratios, and how many proposals each slot has drawn.

    Raises:
        ValueError: fewer than one in a thousand is accepted.
    """
    samples, kept = draw(propose, log_ratio, seeds, 0)
    waiting = (~accepts(log_acceptance(kept), seeds, 0)).nonzero().flatten().cpu()
    drawn = torch.ones(len(seeds), dtype=torch.int64)
    for step in count(1):
        if not len(waiting):
            return samples, kept, drawn.to(samples.device)
        _require_rate(len(seeds) - len(waiting), int(drawn.sum()))
        x, judged = draw(propose, log_ratio, seeds[waiting], step, samples, waiting)
        taken = accepts(log_acceptance(judged), seeds[waiting], step)
        filled = waiting[taken.cpu()].to(x.device)
        samples[filled], kept[filled] = x[taken], judged[taken]
        drawn[waiting] += 1
        waiting = waiting[~taken.cpu()]
    raise AssertionError("count() does not end")


def _require_rate(accepted: int, drawn: int) -> None:
    # The ten let a rate of twice the least live through bad luck.
    if drawn * _LEAST_RATE > accepted + 10:
        raise ValueError(
            f"{accepted} of {drawn} proposals were accepted, a rate of {accepted / drawn:.2g}; calibrate the log-ratio "
            "with wf.calibrate, or use percentile=80 in rejection_sample, or budgeted_rejection_sample"
        )


def chosen(first: Bool[Tensor, " batch"], x: Samples, y: Samples) -> Samples:
    """Take x where `first` says so, and y elsewhere."""
    return torch.where(first.reshape(-1, *[1] * (x.ndim - 1)), x, y)


def require_samples(x: object, n: int, like: Tensor | None, what: str = "propose returned") -> None:
    """Refuse anything but n finite samples.

    Args:
        x: (n, *event), of any dtype.
        n: how many there must be.
        like: samples whose shape and dtype x must have; None for any.
        what: how the message begins.

    Raises:
        TypeError: not a tensor.
        ValueError: another number of samples, another shape or dtype, NaN or infinity.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{what} a {type(x).__name__}; it must be a tensor of {n} samples")
    if x.ndim == 0 or len(x) != n:
        raise ValueError(f"{what} of shape {tuple(x.shape)}; it must be ({n}, *event): {n} samples")
    bad = not_finite(x)
    if bad:
        raise ValueError(f"{what} NaN or infinite in sample {listed(bad)}; mend it, or leave those out")
    if like is not None and (x.shape[1:], x.dtype) != (like.shape[1:], like.dtype):
        raise ValueError(
            f"{what} {x.dtype} {tuple(x.shape[1:])} a sample, beside others of {like.dtype} {tuple(like.shape[1:])}; "
            "make these the same"
        )
