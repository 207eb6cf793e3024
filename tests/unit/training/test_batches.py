from __future__ import annotations

from itertools import chain

import pytest
import torch

from wasserflow.training.batches import IterationData, ShuffledBatches, ValidatedIterationData, step_stream


def draw(*position: int) -> float:
    return torch.rand((), generator=step_stream(*position)).item()


def test_streams_differ_in_seed_step_and_rank() -> None:
    assert draw(0, 5, 1) == draw(0, 5, 1)
    assert len({draw(0, 5, 1), draw(1, 5, 1), draw(0, 6, 1), draw(0, 5, 0), draw(0, 1, 5), draw(0, 5)}) == 6


def test_every_64_bit_seed_has_streams_of_its_own() -> None:
    seeds = (0, 1, -1, 2**32, 2**63 - 1, -(2**63))
    assert len({draw(seed, 5) for seed in seeds}) == len(seeds)


def test_a_pass_uses_each_index_once() -> None:
    batches = list(ShuffledBatches(12, batch_size=4, iterations=6, seed=0))
    first, second = list(chain(*batches[:3])), list(chain(*batches[3:]))
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert first != list(range(12))


def test_the_order_depends_on_the_seed() -> None:
    assert list(ShuffledBatches(12, 4, 3, seed=0)) != list(ShuffledBatches(12, 4, 3, seed=1))


@pytest.mark.parametrize("start", range(8))
def test_a_late_start_continues_the_same_run(start: int) -> None:
    run = list(ShuffledBatches(10, 4, 7, seed=0))
    assert list(ShuffledBatches(10, 4, 7, seed=0, start=start)) == run[start:]


@pytest.mark.parametrize("batch_size", [0, 11])
def test_impossible_batch_sizes_are_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; it must lie between 1 and 10"):
        ShuffledBatches(10, batch_size, 3)


def test_tensors_are_cut_alike() -> None:
    data = IterationData(torch.arange(10), 2 * torch.arange(10), batch_size=3, iterations=4)
    batches = list(data.loader(start=1))
    assert len(batches) == 3
    assert all(torch.equal(2 * a, b) and len(a) == 3 for a, b in batches)


def test_validation_is_the_whole_set_in_order() -> None:
    sets = {"validation": [torch.arange(700)], "validate_every": 5}
    data = ValidatedIterationData(torch.arange(4), **sets, batch_size=2, iterations=1)
    assert data.validate_every == 1
    assert torch.equal(torch.cat([batch[0] for batch in data.val_dataloader()]), torch.arange(700))
