"""What a ratio cannot be learnt with along a flow, refused before any training."""

from __future__ import annotations

from torch import nn

from wasserflow.ratios import BregmanLoss


def require_parts(network: nn.Module, source: object, loss: object) -> None:
    """Refuse a network, a source or a loss that `FlowGuidedRatio` cannot work with.

    Raises:
        TypeError: a loss or a source of another kind.
        ValueError: a network that normalises by batch.
    """
    if isinstance(loss, type) or not isinstance(loss, BregmanLoss):
        raise TypeError(f"loss is {loss!r}; give wf.least_squares, wf.logistic or wf.kl")
    if source is not None and not callable(getattr(source, "sample", None)):
        raise TypeError(
            f"source is a {type(source).__name__}; give where particles start: wf.fit_gaussian(data), a space, "
            "wf.spaces.Samples(data), or None"
        )
    for name, layer in network.named_modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"layer {name!r} of the network is a {type(layer).__name__}, which normalises by the batch, and data "
                "and particles are different batches; use GroupNorm or spectral norm"
            )
