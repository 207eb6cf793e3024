"""Minibatches that a resumed run sees exactly as an uninterrupted one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset

from wasserflow.checks import require_counts


def step_stream(seed: int, *position: int) -> torch.Generator:
    """Return the random stream of one training step, a pure function of the seed and the position.

    Args:
        seed: the seed of the run.
        position: ints that say where the run stands, such as the step and the rank of the process.

    Returns:
        A fresh `torch.Generator` on the CPU.

    Example:
        >>> import torch
        >>> from wasserflow.training.batches import step_stream
        >>> a, b = (torch.rand(1, generator=step_stream(0, step)) for step in (7, 8))
        >>> bool(a == b), bool(a == torch.rand(1, generator=step_stream(0, 7)))
        (False, True)
    """
    # As a spawn key the position is told apart from one that only has more zeros.
    key = np.random.SeedSequence(seed % 2**64, spawn_key=position).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) >> 1)


class ShuffledBatches(Sampler[list[int]]):
    """Batches of indices, each index once a pass, passes without end: a pure function of (seed, iteration).

    Args:
        size: number of samples in the data set.
        batch_size: indices in a batch; what a pass leaves over is not used in that pass.
        iterations: the length of the whole run in batches.
        seed: seeds the order.
        start: iterations that are already done.

    Raises:
        ValueError: no samples, no iterations, or a batch size that is not between 1 and the size.

    Example:
        >>> from wasserflow.training.batches import ShuffledBatches
        >>> run = list(ShuffledBatches(10, batch_size=4, iterations=5, seed=0))
        >>> run[3:] == list(ShuffledBatches(10, batch_size=4, iterations=5, seed=0, start=3))
        True
    """

    def __init__(self, size: int, batch_size: int, iterations: int, seed: int = 0, start: int = 0) -> None:
        if size < 1:
            raise ValueError("there are no samples to train on; give at least a batch of them")
        if iterations < 1:
            raise ValueError(f"iterations is {iterations}; train for at least 1")
        if not 1 <= batch_size <= size:
            raise ValueError(f"batch_size is {batch_size}; it must lie between 1 and {size}, the number of samples")
        self.size, self.batch_size = size, batch_size
        self.iterations, self.seed, self.start = iterations, seed, start

    def __len__(self) -> int:
        # The whole run, not what is left of it: Lightning goes on counting where a resumed run had stopped.
        return self.iterations

    def __iter__(self) -> Iterator[list[int]]:
        a_pass = self.size // self.batch_size
        order: list[int] = []
        for iteration in range(self.start, self.iterations):
            number, place = divmod(iteration, a_pass)
            if place == 0 or not order:
                order = torch.randperm(self.size, generator=step_stream(self.seed, number)).tolist()
            yield order[place * self.batch_size : (place + 1) * self.batch_size]


class IterationData(lightning.LightningDataModule):
    """Feeds a training that counts iterations, from the iteration where the trainer stands; it validates nothing.

    Args:
        tensors: the training set, tensors with the same number of samples; a batch is a list of their slices.
        batch_size: samples in a batch.
        iterations: the length of the whole run.
        seed: seeds the order.

    Raises:
        ValueError: see `ShuffledBatches`.

    Example:
        >>> import torch
        >>> from wasserflow.training.batches import IterationData
        >>> data = IterationData(torch.arange(10.0), batch_size=4, iterations=5)
        >>> next(iter(data.loader(start=0)))[0].shape
        torch.Size([4])
    """

    validate_every: int | None = None

    def __init__(self, *tensors: Tensor, batch_size: int, iterations: int, seed: int = 0) -> None:
        super().__init__()
        self.data = TensorDataset(*tensors)
        self.batch_size, self.iterations, self.seed = batch_size, iterations, seed
        ShuffledBatches(len(self.data), batch_size, iterations)

    def loader(self, start: int) -> DataLoader:
        """Return the batches from this iteration on."""
        batches = ShuffledBatches(len(self.data), self.batch_size, self.iterations, self.seed, start)
        # batch_size=None: the sampler already yields whole batches, which a tensor data set slices at once.
        return DataLoader(self.data, sampler=batches, batch_size=None)

    def train_dataloader(self) -> DataLoader:
        """Return the batches from the trainer's iteration on; Lightning calls this after loading a checkpoint."""
        return self.loader(start=0 if self.trainer is None else self.trainer.global_step)


class ValidatedIterationData(IterationData):
    """The same with a set to validate on.

    Args:
        tensors: the training set; see `IterationData`.
        validation: the same tensors of the validation set.
        validate_every: iterations between two validations; there is one at the least.
        options: the other arguments of `IterationData`.

    Raises:
        ValueError: validate_every below 1; and see `ShuffledBatches`.
    """

    def __init__(self, *tensors: Tensor, validation: Sequence[Tensor], validate_every: int, **options: int) -> None:
        super().__init__(*tensors, **options)
        require_counts(validate_every=validate_every)
        self.validate_every = min(validate_every, self.iterations)
        self.validation = TensorDataset(*validation)

    def val_dataloader(self) -> DataLoader:
        """Return the validation set in order."""
        return DataLoader(self.validation, batch_size=500)
