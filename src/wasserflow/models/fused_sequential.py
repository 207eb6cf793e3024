"""A sequence of layers that computes faster where it is called as a whole, and is itself everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion

from wasserflow.freezing import copied
from wasserflow.models.fused import (
    Activation,
    Chain,
    ConvolutionLink,
    LinearLink,
    Link,
    Rectifier,
    ReshapeLink,
    Tanh,
    gradient_laid_as,
    is_transformed,
)

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

    # The weights as they were, and what a call runs by the layers and which of them are in use elsewhere.
    _made: tuple[list[int], dict[tuple[nn.Module | bool, ...], list[_Step]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_made"}  # packed weights have no copies

    def forward(self, input: Any) -> Any:
        """Apply the layers."""
        return _contiguous(self.through(input))

    def through(self, x: Any) -> Any:
        """Apply the layers and leave the result in the layout it has."""
        if is_transformed():
            return super().forward(x)
        for step in self.steps():
            x = step(x)
        return x

    def steps(self) -> list[_Step]:
        """What a call runs, of the layers as they are now."""
        weights: list[int] = []  # every call asks: one pass, and flat
        layers: list[nn.Module | bool] = []
        for layer in self._modules.values():
            layers += layer, _notes(layer, weights)
        made = self._made
        if made is None or made[0] != weights:
            self._made = made = (weights, {})
        key = tuple(layers)
        steps = made[1].get(key)  # other threads may call it, too
        if steps is None:
            steps = made[1][key] = _steps_of(list(self._modules.values()))
        return steps


@dataclass(eq=False)
class _Step:
    """One layer, or some in a row that `fast` stands for."""

    layers: Sequence[nn.Module]
    fast: nn.Module | Chain | None = None
    vectors_only: bool = False

    def __call__(self, x: Any) -> Any:
        # Batch norm is over the second dimension and a linear layer over the last.
        if self.fast is not None and isinstance(x, Tensor) and not (self.vectors_only and x.ndim != 2):
            return self.fast(x if isinstance(self.fast, Chain) else gradient_laid_as(x))
        for layer in self.layers:
            if type(layer) is FusedSequential and not _heard(layer):
                x = layer.through(x)
            else:
                # Only torch's own layers are known to take every memory layout.
                x = layer(x if type(layer).__module__.startswith("torch.nn.modules.") else _contiguous(x))
        return x


@dataclass(eq=False)
class _Part:
    """Some layers in a row, and the link of a chain that stands for them."""

    layers: Sequence[nn.Module]
    link: Link
    vectors_only: bool = False


def _steps_of(layers: Sequence[nn.Module]) -> list[_Step]:
    steps: list[_Step] = []
    chain: list[_Part] = []

    def close() -> None:
        # A shape at the end would be a view of what the chain keeps, and the next layer may work in place.
        shapes = [chain.pop() for _ in range(len(chain)) if isinstance(chain[-1].link, ReshapeLink)]
        if chain:
            fast = Chain([part.link for part in chain])
            steps.append(_Step([layer for part in chain for layer in part.layers], fast, chain[0].vectors_only))
            chain.clear()
        steps.extend(_Step(part.layers) for part in reversed(shapes))

    # Weights made in inference mode could never be differentiated through.
    with torch.inference_mode(False), torch.no_grad():
        place = 0
        while place < len(layers):
            part = _part_at(layers[place : place + 3])
            if part is not None and (part.vectors_only or not _goes_on(chain, part.link)):
                close()
            if part is not None and (chain or not isinstance(part.link, ReshapeLink)):
                chain.append(part)
            else:
                close()
                steps.append(_single(layers[place : place + 2]))
            place += len((chain or steps)[-1].layers)
        close()
    return steps


def _part_at(layers: Sequence[nn.Module]) -> _Part | None:
    """Take as many of the first layers as one link can stand for; None where none can."""
    first, second, third = cast(Any, (*layers, None, None)[:3])
    if not _plain(first):
        return None
    if type(first) in (nn.Flatten, nn.Unflatten):
        return _Part(layers[:1], ReshapeLink(first))
    folded = _folded(first, second)
    taken, after, whole = (1, second, first) if folded is None else (2, third, folded)
    activation = _activation(after) if _plain(after) else None
    taken += activation is not None
    if not all(value.isfinite().all() for value in _values_of(whole) if value.device.type == "cpu"):
        return None  # oneDNN rectifies a NaN to 0, and nobody would hear of it
    if type(first) is nn.Linear:
        bias = None if whole.bias is None else whole.bias.detach()
        return _Part(layers[:taken], LinearLink(whole.weight.detach(), bias, activation), folded is not None)
    if _convolves_images(first) and first.padding_mode == "zeros" and not isinstance(first.padding, str):
        return _Part(layers[:taken], ConvolutionLink(_channels_last(whole), activation))
    return None


def _goes_on(chain: Sequence[_Part], link: Link) -> bool:
    """Whether a link takes what the chain makes: vectors after linear layers, images after convolutions."""
    if not chain:
        return True
    last = chain[-1].link
    images = isinstance(last, ConvolutionLink) or (isinstance(last, ReshapeLink) and type(last.layer) is nn.Unflatten)
    if isinstance(link, ReshapeLink):
        layer: Any = link.layer
        if type(layer) is nn.Flatten:
            return images and (layer.start_dim, layer.end_dim) == (1, -1)
        return not images and layer.dim == 1 and len(layer.unflattened_size) == 3
    return images == isinstance(link, ConvolutionLink)


def _single(layers: Sequence[nn.Module]) -> _Step:
    """The first layer by itself, or with the batch norm after it."""
    first, norm = (*layers, None)[:2]
    folded = _folded(first, norm)
    fast = first if folded is None else folded
    if _plain(first) and _convolves_images(first):
        fast = _channels_last(fast)
    return _Step(layers[:1] if folded is None else layers, None if fast is first else fast)


def _folded(layer: Any, norm: Any) -> Any:
    """The layer with the batch norm after it in its weights, or None where that cannot be."""
    if type(norm) not in _NORMS or norm.running_mean is None or not _plain(layer, norm):
        return None
    if type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d and layer.out_features == norm.num_features:
        if norm.weight is None:  # torch folds such norms into convolutions only
            norm = copied(norm)
            norm.weight = nn.Parameter(torch.ones_like(norm.running_var))
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_var))
        folded: nn.Module = fusion.fuse_linear_bn_eval(layer, norm)
    elif type(layer) in _CONVOLUTIONS and not (layer.transposed and layer.groups > 1):
        folded = fusion.fuse_conv_bn_eval(layer, norm, transpose=layer.transposed)
    else:
        return None
    return folded.requires_grad_(False).eval()


def _activation(layer: Any) -> Activation | None:
    """None for those that have no kernel, and for rectifiers whose output does not keep the sign of their input."""
    if type(layer) is nn.ReLU:
        return Rectifier(0.0)
    if type(layer) is nn.LeakyReLU and layer.negative_slope >= 0:
        return Rectifier(layer.negative_slope)
    return Tanh() if type(layer) is nn.Tanh else None


def _convolves_images(layer: Any) -> bool:
    return type(layer) in (nn.Conv2d, nn.ConvTranspose2d)


def _channels_last(convolution: Any) -> Any:
    return copied(convolution).requires_grad_(False).eval().to(memory_format=torch.channels_last)


def _plain(*layers: nn.Module | None) -> bool:
    """Whether nothing listens to the layers and their weights are what their class says."""
    return all(
        layer is not None and not _in_use(layer) and not torch.nn.utils.parametrize.is_parametrized(layer)
        for layer in layers
    )


def _in_use(layer: nn.Module) -> bool:
    """Whether it is trained or listened to, and so has to run as it is."""
    return _notes(layer, [])


def _notes(layer: nn.Module, weights: list[int]) -> bool:
    """Note what changes with every change of the layer's tensors, in place or not, and tell whether it is in use."""
    trained = getattr(layer, "training", False)
    for values in (layer._parameters, layer._buffers):
        for value in values.values():
            if value is not None:
                trained = trained or value.requires_grad
                weights += id(value), value.data_ptr(), 0 if value.is_inference() else value._version
    return trained or _heard(layer)


def _values_of(layer: nn.Module) -> list[Tensor]:
    return [value for value in (*layer._parameters.values(), *layer._buffers.values()) if value is not None]


def _heard(layer: nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks)


def _contiguous(x: Any) -> Any:
    # What comes after may ask for views that another layout does not have.
    return x.contiguous() if isinstance(x, Tensor) else x
