"""A layer of a network as a feature extractor."""

from __future__ import annotations

import threading
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class LayerFeatures(nn.Module):
    """What goes into or comes out of one layer of a network, flattened; see `layer_features`."""

    def __init__(self, module: nn.Module, layer: str, inputs: bool) -> None:
        super().__init__()
        self.module, self.layer, self.inputs = module, layer, inputs
        self.training = module.training

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch dim"]:
        """Run the network and return the features of (batch, *event) samples."""
        seen: list[Any] = []
        ours = threading.get_ident()

        def keep(_: nn.Module, arguments: tuple[Any, ...], output: Any = None) -> None:
            if threading.get_ident() == ours:  # other threads may be running the same network
                value = arguments[0] if self.inputs else output
                # A copy, as this layer or the next may work in place.
                seen.append(value.clone() if isinstance(value, Tensor) else value)

        layer = self.module.get_submodule(self.layer)
        handle = layer.register_forward_pre_hook(keep) if self.inputs else layer.register_forward_hook(keep)
        try:
            self.module(x)
        finally:
            handle.remove()
        if len(seen) != 1 or not isinstance(seen[0], Tensor):
            raise ValueError(
                f"layer {self.layer!r} of {type(self.module).__name__} ran {len(seen)} times and gave "
                f"{[type(value).__name__ for value in seen]}; name a layer that runs once and gives a tensor"
            )
        return seen[0].reshape(len(x), -1)


def layer_features(module: nn.Module, layer: str | None = None, *, inputs: bool = False) -> LayerFeatures:
    """Make a feature extractor of a layer: x -> the layer's output, or its input, flattened and differentiable.

    The network itself is left as it is; it is a submodule of the result, so that whoever freezes one freezes the other.

    Args:
        module: the network, e.g. a critic.
        layer: the layer's name, as in `module.named_modules()`; None for the input of the last linear layer, the
            critic's penultimate features.
        inputs: take what goes into the layer rather than what comes out of it.

    Returns:
        A module from (batch, *event) to (batch, dim).

    Raises:
        ValueError: no such layer, or, when called, one that did not run exactly once.

    Source: Zhou et al., section on features (the discriminator's last hidden layer).

    Example:
        >>> import torch, wasserflow as wf
        >>> critic = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
        >>> wf.layer_features(critic)(torch.zeros(3, 2)).shape
        torch.Size([3, 8])
    """
    names = [name for name, _ in module.named_modules() if name]
    if layer is None:
        linear = [name for name in names if isinstance(module.get_submodule(name), nn.Linear)]
        if not linear:
            raise ValueError(f"{type(module).__name__} has no linear layer; give layer= one of {names}")
        return LayerFeatures(module, linear[-1], inputs=True)
    if layer not in names:
        raise ValueError(f"{type(module).__name__} has no layer {layer!r}; give one of {names}")
    return LayerFeatures(module, layer, inputs)
