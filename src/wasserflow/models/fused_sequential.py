"""A sequence of layers that computes faster where it is called as a whole, and is itself everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion

from wasserflow.freezing import copied
from wasserflow.models.fused import LinearReLU, is_transformed

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class FusedSequential(nn.Sequential):
    """An `nn.Sequential` of frozen layers whose call runs on fused copies of them.

    Batch norm is folded into the layer before it, a rectifier into the linear layer before it, and 2-D convolutions run
    channels-last. The layers stay where they were: indexing, slicing, iterating, hooks and parameters are those of
    `nn.Sequential`, and a layer that is listened to or trained is run as it is. Made by `wf.prepare`, by class.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from wasserflow.models.fused_sequential import FusedSequential
        >>> layers = FusedSequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()).eval()
        >>> x = torch.randn(4, 2)
        >>> bool(torch.allclose(layers(x), layers[2](layers[1](layers[0](x))), atol=1e-6))
        True
    """

    # Built at the first call, and anew when weights have been moved or loaded.
    _steps: list[_Step] | None = None

    def forward(self, input: Any) -> Any:
        """Apply the layers."""
        return _contiguous(self.through(input))

    def through(self, x: Any) -> Any:
        """Apply the layers and leave the result in the layout it has."""
        if is_transformed():
            return super().forward(x)
        layers = list(self._modules.values())
        if self._steps is None or [layer for step in self._steps for layer in step.layers] != layers:
            self._steps = _steps_of(layers)
        for step in self._steps:
            x = step(x)
        return x

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FusedSequential:
        self._steps = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *arguments: Any, **options: Any) -> None:
        self._steps = None
        super()._load_from_state_dict(*arguments, **options)


@dataclass(eq=False)
class _Step:
    """One layer, or some in a row that `fast` stands for."""

    layers: Sequence[nn.Module]
    fast: nn.Module | None = None
    vectors_only: bool = False

    def __call__(self, x: Any) -> Any:
        if self.fast is not None and self._may_be_fast(x):
            return self.fast(x)
        for layer in self.layers:
            if type(layer) is FusedSequential and not _heard(layer):
                x = layer.through(x)
            else:
                # Only torch's own layers are known to take every memory layout.
                x = layer(x if type(layer).__module__.startswith("torch.nn.modules.") else _contiguous(x))
        return x

    def _may_be_fast(self, x: Any) -> bool:
        if self.vectors_only and x.ndim != 2:
            return False  # batch norm is over the second dimension and a linear layer over the last
        return not any(layer.training or _heard(layer) for layer in self.layers)


def _steps_of(layers: Sequence[nn.Module]) -> list[_Step]:
    steps, place = [], 0
    # Weights made in inference mode could never be differentiated through.
    with torch.inference_mode(False), torch.no_grad():
        while place < len(layers):
            steps.append(_step_at(layers[place : place + 3]))
            place += len(steps[-1].layers)
    return steps


def _step_at(layers: Sequence[nn.Module]) -> _Step:
    """Take as many of the first layers as can be run as one."""
    first, second, third = (*layers, None, None)[:3]
    if not _plain(first):
        return _Step(layers[:1])
    folded = _folded(first, second)
    taken, after = (1, second) if folded is None else (2, third)
    if type(first) is nn.Linear:
        slope = _slope(after)
        if slope is None or not _plain(after):
            return _Step(layers[:taken], folded, vectors_only=True)
        fused = LinearReLU(first if folded is None else folded, slope)
        return _Step(layers[: taken + 1], fused.eval(), vectors_only=folded is not None)
    if type(first) in (nn.Conv2d, nn.ConvTranspose2d):
        return _Step(layers[:taken], _channels_last(first if folded is None else folded))
    return _Step(layers[:taken], folded)


def _folded(layer: Any, norm: Any) -> Any:
    """The layer with the batch norm after it in its weights, or None where that cannot be."""
    if type(norm) not in _NORMS or norm.running_mean is None or not _plain(layer, norm):
        return None
    if type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d and layer.out_features == norm.num_features:
        folded: nn.Module = fusion.fuse_linear_bn_eval(layer, norm)
    elif type(layer) in _CONVOLUTIONS and not (layer.transposed and layer.groups > 1):
        folded = fusion.fuse_conv_bn_eval(layer, norm, transpose=layer.transposed)
    else:
        return None
    return folded.requires_grad_(False).eval()


def _slope(rectifier: nn.Module | None) -> float | None:
    """Of a rectifier below 0; None for other layers, and for slopes whose sign the output does not keep."""
    if type(rectifier) is nn.ReLU:
        return 0.0
    if type(rectifier) is nn.LeakyReLU and rectifier.negative_slope >= 0:
        return rectifier.negative_slope
    return None


def _channels_last(convolution: Any) -> nn.Module:
    return copied(convolution).requires_grad_(False).eval().to(memory_format=torch.channels_last)


def _plain(*layers: nn.Module | None) -> bool:
    """Whether nothing listens to the layers and their weights are what their class says."""
    return all(
        layer is not None and not _heard(layer) and not torch.nn.utils.parametrize.is_parametrized(layer)
        for layer in layers
    )


def _heard(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks)


def _contiguous(x: Any) -> Any:
    # What comes after may ask for views that another layout does not have.
    return x.contiguous() if isinstance(x, Tensor) and x.ndim == 4 else x
