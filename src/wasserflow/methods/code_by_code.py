"""The fine-tune of discrete latents: one vector after another moves, the others held, and becomes a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from wasserflow.flow import Watch, flow
from wasserflow.integrators import Integrator, State
from wasserflow.potentials import Energy
from wasserflow.seeds import Noise, Seed, sample_seeds
from wasserflow.spaces import Codebook, Held


def code_by_code(
    state: State,
    potential: Energy,
    integrator: Integrator,
    steps: int,
    codebook: Codebook,
    order: Sequence[int] | None = None,
    seed: Seed = 0,
    watch: Watch | None = None,
) -> State:
    """Flow each vector of (batch, channels, *positions) latents in its turn and put it at its nearest code.

    Args:
        state: where the latents are; its steps and evaluations are counted on from.
        potential: maps latents to (batch,) energies.
        integrator: how to take a step; begun anew for each vector.
        steps: updates of each vector, at least 1.
        codebook: the codes.
        order: every position once, counted row by row; that very order if None.
        seed: an int, one seed a sample, or a `torch.Generator`; each position draws from a stream of its own.
        watch: called with the state after each step.

    Returns:
        The state in which every vector is a code.

    Raises:
        ValueError: an order that leaves out or repeats a position.

    Source: Zhou et al., appendix, the second stage of text-to-image generation.

    Example:
        >>> import torch, wasserflow as wf
        >>> from wasserflow.methods.code_by_code import code_by_code
        >>> codebook, start = wf.spaces.Codebook(torch.tensor([[0.0], [1.0]])), wf.State(torch.tensor([[[0.6, 0.4]]]))
        >>> code_by_code(start, wf.GaussianPrior(), wf.EulerMaruyama(0.1), 1, codebook).x
        tensor([[[1., 0.]]])
    """
    numbers = torch.arange(state.x[0, 0].numel(), device=state.x.device).reshape(state.x.shape[2:])
    chosen = list(range(numbers.numel()) if order is None else order)
    if sorted(chosen) != list(range(numbers.numel())):
        raise ValueError(f"order is {chosen}; give every position from 0 to {numbers.numel() - 1} once")
    seeds = sample_seeds(seed, len(state.x))
    for position in chosen:
        free = numbers == position
        fresh = Noise(seeds, step=-1).integers(stream=position)
        counted = None if watch is None else _counted_on(state, watch)
        part = flow(state.x, potential, integrator, steps, Held(state.x, free), fresh, counted)
        state = _after(state, replace(part, x=torch.where(free, codebook.quantise(part.x), part.x)))
    return state


def _after(state: State, part: State) -> State:
    return replace(part, step=state.step + part.step, evaluations=state.evaluations + part.evaluations)


def _counted_on(state: State, watch: Watch) -> Watch:
    return lambda part: watch(_after(state, part))
