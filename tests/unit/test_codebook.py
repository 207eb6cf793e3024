"""Codebooks: nearest codes against brute force, and the geometry of quantising; spaces with held coordinates."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

import wasserflow as wf
from wasserflow.spaces import codebook as codebook_module


def codes(k: int = 7, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(k, channels, dtype=dtype, generator=torch.Generator().manual_seed(1))


class Quantised(nn.Module):
    """What a Codebook reads of a VQModel."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.quantize = nn.Module()
        self.quantize.embedding = nn.Embedding.from_pretrained(weight, freeze=False)


def brute_force(x: Tensor, book: Tensor) -> Tensor:
    best = torch.empty(len(x), *x.shape[2:], dtype=torch.int64)
    for where in torch.cartesian_prod(*(torch.arange(size) for size in best.shape)).reshape(-1, best.ndim).tolist():
        vector = x[where[0]][(slice(None), *where[1:])]
        best[tuple(where)] = min(range(len(book)), key=lambda k, v=vector: float((v - book[k]).square().sum()))
    return best


@pytest.mark.parametrize("chunk", [1, 20, 2**22])
@pytest.mark.parametrize("positions", [(), (5,), (2, 3)])
def test_nearest_codes_are_those_of_brute_force(
    positions: tuple[int, ...], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codebook_module, "_CHUNK", chunk)
    book, x = codes(), torch.randn(4, 3, *positions, dtype=torch.float64)
    space = wf.spaces.Codebook(book)
    expected = brute_force(x, book)
    assert torch.equal(space.nearest(x), expected)
    quantised = space.quantise(x)
    assert quantised.shape == x.shape
    for channel in range(3):
        assert torch.equal(quantised[:, channel], book[expected, channel])
    torch.testing.assert_close(space.distance(x), (x - quantised).square().sum(1).sqrt())


def test_close_codes_far_from_the_origin_are_told_apart() -> None:
    """The expanded square would lose these digits in float32."""
    book = torch.tensor([[1000.0, 1000.0], [1000.01, 1000.0]])
    x = torch.tensor([[1000.002, 1000.0], [1000.009, 1000.0]])
    assert wf.spaces.Codebook(book).nearest(x).tolist() == [0, 1]


def test_half_precision_latents_are_searched_in_float32() -> None:
    book = codes(dtype=torch.float32)
    x = torch.randn(6, 3, 2).bfloat16()
    space = wf.spaces.Codebook(book)
    assert torch.equal(space.nearest(x), brute_force(x.float(), book))
    assert space.quantise(x).dtype == torch.bfloat16


def test_quantising_is_idempotent_and_leaves_its_input_alone() -> None:
    space, x = wf.spaces.Codebook(codes()), torch.randn(4, 3, 2, 2, dtype=torch.float64)
    copy = x.clone()
    once = space.project(x)
    assert torch.equal(space.quantise(once), once)
    assert torch.equal(x, copy)
    assert bool((space.distance(once) == 0).all())
    assert torch.equal(space.lookup(space.nearest(once)), once)


def test_random_codes_are_codes_equally_likely_and_each_sample_s_own() -> None:
    book = codes(5)
    space = wf.spaces.Codebook(book, shape=(10, 10))
    x = space.sample(200, seed=3)
    assert x.shape == (200, 3, 10, 10)
    assert x.dtype == torch.float64
    assert bool((space.distance(x) == 0).all())
    chosen = space.nearest(x)
    assert chisquare(torch.bincount(chosen.flatten(), minlength=5).numpy()).pvalue > 1e-5
    pairs = torch.bincount((5 * chosen[:, :, :-1:2] + chosen[:, :, 1::2]).flatten(), minlength=25)
    assert chisquare(pairs.numpy()).pvalue > 1e-5
    assert torch.equal(space.sample(20, seed=3), x[:20])
    assert torch.equal(space.sample(5, seed=wf.sample_seeds(3, 200)[40:45].tolist()), x[40:45])
    assert not torch.equal(space.sample(200, seed=4), x)
    assert space.sample(2, dtype=torch.float32).dtype == torch.float32


def test_codes_of_a_model_are_read_when_needed_and_detached() -> None:
    model = Quantised(codes(dtype=torch.float32))
    space = wf.spaces.Codebook(model)
    before = space.codes.clone()
    with torch.no_grad():
        model.quantize.embedding.weight.add_(1.0)
    assert torch.equal(space.codes, before + 1)
    assert not space.codes.requires_grad


def test_codebook_as_the_space_of_a_flow_snaps_after_every_step() -> None:
    book = torch.tensor([[0.0], [1.0]])
    space = wf.spaces.Codebook(book)
    states = [wf.flow(torch.zeros(1, 1), lambda x: -x.sum(1), wf.EulerMaruyama(h), 3, space).x.item() for h in (0.4, 1)]
    assert states == [0.0, 1.0]


@pytest.mark.parametrize("bad", [nn.Linear(2, 2), [[0.0, 1.0]], torch.zeros(3, 2).long(), None], ids=str)
@pytest.mark.usefixtures("unchecked_annotations")
def test_what_holds_no_codes_is_refused(bad: object) -> None:
    with pytest.raises(TypeError, match="codes"):
        wf.spaces.Codebook(bad)


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(0, 2), torch.full((2, 2), math.nan), torch.zeros(2, 2, 2)])
@pytest.mark.usefixtures("unchecked_annotations")
def test_codes_that_cannot_be_are_refused(bad: Tensor) -> None:
    with pytest.raises(ValueError, match="codes, channels"):
        wf.spaces.Codebook(bad)


@pytest.mark.usefixtures("unchecked_annotations")
def test_latents_that_do_not_fit_are_refused() -> None:
    space = wf.spaces.Codebook(codes(dtype=torch.float32))
    for bad in (torch.zeros(2, 4), torch.zeros(3)):
        with pytest.raises(ValueError, match="3 channels"):
            space.nearest(bad)
    with pytest.raises(ValueError, match="meta"):
        space.nearest(torch.zeros(2, 3, device="meta"))
    with pytest.raises(ValueError, match="shape"):
        space.sample(3)
    with pytest.raises(ValueError, match="shape"):
        wf.spaces.Codebook(codes(), shape=(8, 0))


def test_held_coordinates_stay_under_noise_and_the_free_ones_move() -> None:
    anchor = torch.randn(5, 2, 3, dtype=torch.float64)
    free = torch.tensor([True, False, True])
    space = wf.spaces.Held(anchor, free)
    energy = lambda x: x.square().sum((1, 2)) / 2  # noqa: E731
    moved = wf.flow(anchor, energy, wf.EulerMaruyama(0.1, temperature=0.5), steps=4, space=space, seed=0).x
    assert torch.equal(moved[:, :, 1], anchor[:, :, 1])
    assert bool((moved[:, :, [0, 2]] != anchor[:, :, [0, 2]]).all())
    step = wf.flow(anchor, energy, wf.EulerMaruyama(0.1), steps=1, space=space).x
    torch.testing.assert_close(step[:, :, [0, 2]], 0.9 * anchor[:, :, [0, 2]])
    assert torch.equal(space.tangent(anchor, anchor)[:, :, 1], torch.zeros(5, 2, dtype=torch.float64))


@pytest.mark.usefixtures("unchecked_annotations")
def test_held_needs_a_boolean_mask() -> None:
    with pytest.raises(TypeError, match="boolean"):
        wf.spaces.Held(torch.zeros(1, 2), torch.ones(2))
