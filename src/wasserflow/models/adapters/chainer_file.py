"""The arrays of a chainer npz file (`chainer.serializers.save_npz`), read by name and checked."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import is_parametrized

Shape = tuple[int | None, ...]
CHAINER_EPS = 2e-5


@dataclass(frozen=True, eq=False)
class ChainerFile:
    """The arrays of a file, by names such as `l0/W`, and which of them have been taken.

    Args:
        path: the file.
        arrays: its arrays.
        taken: the names of those that were asked for.
    """

    path: str | Path
    arrays: dict[str, np.ndarray]
    taken: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: str | Path) -> ChainerFile:
        """Read a file; nothing is unpickled.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is truncated or no npz.
        """
        try:
            archive = np.load(path, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            with archive:
                return cls(path, {name: archive[name] for name in archive.files})
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} does not exist; give a chainer npz file") from None
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is not a whole npz file ({error}); fetch it again") from error

    def take(self, name: str, shape: Shape) -> Tensor:
        """Take an array of floats as a float32 tensor.

        Args:
            name: of the array.
            shape: what it must have; None for any size of an axis.

        Raises:
            ValueError: it is not there, of another shape or dtype, or not finite.
        """
        if name not in self.arrays:
            raise ValueError(f"{self.path} lacks {name!r}; it is truncated, or of another network")
        array = self.arrays[name]
        fits = array.ndim == len(shape) and all(
            want in (None, size) for want, size in zip(shape, array.shape, strict=True)
        )
        if not fits or not np.issubdtype(array.dtype, np.floating) or not array.size:
            allowed = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{self.path}: {name} is {array.dtype} {array.shape}; allowed are floats ({allowed})")
        if not np.isfinite(array).all():
            raise ValueError(f"{self.path}: {name} holds numbers that are not finite")
        self.taken.add(name)
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    def fill(self, layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, name: str) -> None:
        """Give a layer the arrays of a link, as `fill_weight` does, and its bias `name/b`.

        Raises:
            ValueError: what `take` refuses.
        """
        self.fill_weight(layer, name)
        assert layer.bias is not None
        with torch.no_grad():
            layer.bias.copy_(self.take(f"{name}/b", tuple(layer.bias.shape)))

    def fill_weight(self, layer: nn.Module, name: str) -> None:
        """Give a layer the array `name/W` of a link, and the vectors of its `name/u` if it is spectrally normalised.

        Torch normalises by σ = uᵀ W v with vectors it keeps. From the file's u they are v = Wᵀu / ‖Wᵀu‖ and
        u' = W v / ‖W v‖, chainer's one power iteration of evaluation; where it holds none, the leading singular
        vectors, which the iterations tend to.

        Args:
            layer: of the link's shape; a deconvolution's weight is (in, out, height, width) in both libraries.
            name: of the link.

        Raises:
            ValueError: what `take` refuses.
        """
        assert isinstance(layer.weight, Tensor)
        weight = self.take(f"{name}/W", tuple(layer.weight.shape))
        with torch.no_grad():
            if not is_parametrized(layer):
                layer.weight.copy_(weight)
                return
            parametrisation: Any = layer.parametrizations.weight  # type: ignore[union-attr]
            parametrisation.original.copy_(weight)
            for kept, value in zip(("_u", "_v"), self._singular(name, weight.flatten(1).double()), strict=True):
                getattr(parametrisation[0], kept).copy_(value)

    def _singular(self, name: str, matrix: Float64[Tensor, "out inputs"]) -> tuple[Tensor, Tensor]:
        if f"{name}/u" not in self.arrays:
            left, _, right = torch.linalg.svd(matrix, full_matrices=False)
            return left[:, 0], right[0]
        stored = self.take(f"{name}/u", (1, len(matrix)))[0].double()
        v = normalize(matrix.T @ stored, dim=0)
        return normalize(matrix @ v, dim=0), v

    def fill_block(self, block: Any, name: str) -> None:
        """Give the convolutions of a residual block those of a link: `c1` and `c2`, and `c_sc` if its shortcut has one.

        Args:
            block: with the layers `.residual` and `.shortcut`.
            name: of the link.

        Raises:
            ValueError: what `take` refuses.
        """
        convolutions = [layer for layer in (*block.residual, *block.shortcut) if isinstance(layer, nn.Conv2d)]
        for layer, part in zip(convolutions, ("c1", "c2", "c_sc"), strict=False):
            self.fill(layer, f"{name}/{part}")

    def fill_norm(self, layer: nn.BatchNorm2d, name: str) -> None:
        """Give a batch norm the arrays of a link: its statistics, as `fill_statistics` does, and `gamma` and `beta`.

        Args:
            layer: of the link's channels.
            name: of the link.

        Raises:
            ValueError: what `take` refuses.
        """
        self.fill_statistics(layer, name)
        with torch.no_grad():
            layer.weight.copy_(self.take(f"{name}/gamma", (layer.num_features,)))
            layer.bias.copy_(self.take(f"{name}/beta", (layer.num_features,)))

    def fill_statistics(self, layer: nn.BatchNorm2d, name: str) -> None:
        """Give a batch norm the arrays `avg_mean` and `avg_var` of a link.

        Chainer adds 2e-5 to a variance and torch what the layer says: the difference goes into the variance.

        Args:
            layer: of the link's channels.
            name: of the link.

        Raises:
            ValueError: what `take` refuses.
        """
        mean, variance = (self.take(f"{name}/{part}", (layer.num_features,)) for part in ("avg_mean", "avg_var"))
        layer.running_mean.copy_(mean)  # type: ignore[union-attr]
        layer.running_var.copy_(variance + (CHAINER_EPS - layer.eps))  # type: ignore[union-attr]

    def finish(self) -> None:
        """Refuse a file with arrays that no layer took: it is of another network. Batch counters (`bn0/N`) may stay.

        Raises:
            ValueError: there are such arrays.
        """
        left = sorted(name for name in set(self.arrays) - self.taken if not name.endswith("/N"))
        if left:
            raise ValueError(f"{self.path} holds {left[0]!r}, which this network has not; it is of another network")
