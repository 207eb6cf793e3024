"""Seeds: one stream a sample, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wasserflow as wf
from wasserflow.data.toy import Gaussians25
from wasserflow.seeds import Noise, subseed


def test_int_seed_has_the_prefix_property() -> None:
    long, short = wf.sample_seeds(7, 1000), wf.sample_seeds(7, 10)
    assert long.dtype == torch.int64
    assert torch.equal(long[:10], short)
    assert long.unique().numel() == 1000


def test_neighbouring_int_seeds_share_nothing() -> None:
    """A plain seed + i would make seed 1 the tail of seed 0."""
    drawn = torch.cat([wf.sample_seeds(seed, 500) for seed in (0, 1, 2, -1, 2**63, 2**32)])
    assert drawn.unique().numel() == len(drawn)


def test_sequences_are_taken_as_they_are() -> None:
    seeds = [5, -3, 2**62, 0]
    for given in (seeds, tuple(seeds), torch.tensor(seeds)):
        assert wf.sample_seeds(given, 4).tolist() == seeds
    assert wf.sample_seeds([], 0).shape == (0,)


def test_repeated_seeds_give_repeated_numbers() -> None:
    x = Noise(wf.sample_seeds([4, 9, 4], 3), 0).normal(torch.empty(3, 6))
    assert torch.equal(x[0], x[2])
    assert not torch.equal(x[0], x[1])


def test_generator_is_drawn_from_once() -> None:
    a, b = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    first, again = wf.sample_seeds(a, 5), wf.sample_seeds(b, 3)
    assert torch.equal(first[:3], again)
    assert torch.equal(a.get_state(), b.get_state())
    assert not torch.equal(wf.sample_seeds(a, 5), first)


@pytest.mark.parametrize("length", [0, 3, 5])
def test_wrong_length(length: int) -> None:
    with pytest.raises(ValueError, match=rf"{length}.*4"):
        wf.sample_seeds(list(range(length)), 4)


@pytest.mark.parametrize(("n", "error"), [(-1, ValueError), (2.0, TypeError), ("3", TypeError), (True, TypeError)])
def test_wrong_counts(n: object, error: type[Exception], unchecked_annotations: None) -> None:
    with pytest.raises(error, match="n is"):
        wf.sample_seeds(0, n)


@pytest.mark.parametrize("step", [-1, 0, 3, 10_000])
@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_numbers_of_a_sample_do_not_depend_on_its_batch(draw: str, step: int) -> None:
    seeds = wf.sample_seeds(3, 9)
    like = torch.empty(9, 3, 5)
    together = getattr(Noise(seeds, step), draw)(like)
    for part in (slice(0, 1), slice(4, 7), [8, 2]):
        alone = getattr(Noise(seeds[part], step), draw)(like[part])
        assert torch.equal(alone, together[part])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 7), (4, 3, 2, 5), (0, 3)])
def test_shape_and_dtype(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    like = torch.empty(shape, dtype=dtype)
    noise = Noise(wf.sample_seeds(0, shape[0]), 2)
    for numbers in (noise.normal(like), noise.uniform(like)):
        assert numbers.shape == shape
        assert numbers.dtype == dtype
        assert bool(numbers.isfinite().all())


def test_dtypes_agree_to_their_precision() -> None:
    """A float32 run is the float64 run rounded, not another run."""
    noise = Noise(wf.sample_seeds(0, 50), 1)
    wide, narrow = noise.normal(torch.empty(50, 40).double()), noise.normal(torch.empty(50, 40))
    torch.testing.assert_close(narrow.double(), wide, rtol=1e-5, atol=1e-5)


def test_larger_events_begin_with_the_smaller_ones_numbers() -> None:
    noise = Noise(wf.sample_seeds(0, 3), 1)
    assert torch.equal(noise.normal(torch.empty(3, 8))[:, :4], noise.normal(torch.empty(3, 4)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 3, 40_000])
def test_steps_made_at_once_have_the_numbers_of_each(size: int, dtype: torch.dtype) -> None:
    seeds, like = wf.sample_seeds(1, 5), torch.empty(5, size, dtype=dtype)
    noise = Noise(seeds, 0)
    for step in [0, 1, 2, 3, 2, 12, 13, 40, 0, -1]:
        for stream in (0, 1):
            ahead, alone = noise.at(step).normal(like, stream), Noise(seeds, step).normal(like, stream)
            assert torch.equal(ahead, alone)
            ahead.fill_(9)  # what a caller does with numbers is the caller's
            assert torch.equal(noise.at(step).normal(like, stream), alone)


def test_steps_made_at_once_know_shapes_and_dtypes_apart() -> None:
    noise = Noise(wf.sample_seeds(1, 5), 0)
    for step in range(4):
        for like in (torch.empty(5, 2), torch.empty(5, 3), torch.empty(5, 2).double(), torch.empty(5, 2, 1)):
            assert torch.equal(noise.at(step).normal(like), Noise(noise.seeds, step).normal(like))


def test_drawing_changes_nothing() -> None:
    seeds = wf.sample_seeds(0, 6)
    copy, noise = seeds.clone(), Noise(seeds, 0)
    first = noise.normal(torch.empty(6, 2))
    noise.uniform(torch.empty(6, 2))
    assert torch.equal(noise.normal(torch.empty(6, 2)), first)
    assert torch.equal(seeds, copy)


def test_data_and_priors_do_not_meet_their_own_numbers_as_noise() -> None:
    """The first kick of a flow with the seed of its samples would otherwise be along each sample's own deviation."""
    data = Gaussians25()
    kick = Noise(wf.sample_seeds(0, 2_000), step=0).normal(torch.empty(2_000, 2))
    points = data.sample(2_000, seed=0)
    nearest = data.means[torch.cdist(points, data.means).argmin(dim=1)]
    for drawn in ((points - nearest) / data.std, wf.spaces.Normal(2).sample(2_000, seed=0)):
        correlation = torch.corrcoef(torch.stack([drawn.flatten(), kick.flatten()]))[0, 1]
        assert abs(float(correlation)) < 0.08  # 5 standard errors of 4,000 independent numbers


def test_a_subseed_depends_on_seed_and_purpose_and_fits_numpy() -> None:
    seeds = {subseed(seed, purpose) for seed in (-1, 0, 1, 2**40) for purpose in ("data", "reference")}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.usefixtures("unchecked_annotations")
def test_ints_of_numpy_are_ints() -> None:
    assert torch.equal(wf.sample_seeds(np.int64(3), np.int32(4)), wf.sample_seeds(3, 4))
    assert wf.sample_seeds(list(np.arange(4)), 4).tolist() == [0, 1, 2, 3]
    assert wf.flow(torch.ones(1, 2), wf.GaussianPrior(), wf.EulerMaruyama(0.5), steps=np.int64(2)).step == 2


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.uint64])
def test_an_array_of_numpy_is_a_sequence_of_seeds(dtype: type) -> None:
    seeds = np.arange(4).astype(dtype)
    assert wf.sample_seeds(seeds, 4).tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="4 entries for 5"):
        wf.sample_seeds(seeds, 5)


@pytest.mark.parametrize(
    "seeds", [np.ones(4), np.ones((2, 2), int), np.array(3), np.array(["a"] * 4), np.ones(4, bool)]
)
def test_other_arrays_of_numpy_are_no_seeds(seeds: np.ndarray) -> None:
    with pytest.raises(TypeError, match="give a 1-D array of ints"):
        wf.sample_seeds(seeds, 4)
