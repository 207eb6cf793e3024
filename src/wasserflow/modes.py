"""Modes of networks: train mode, where an output depends on the batch or on chance, is refused, never switched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm as _HookedSpectralNorm

from wasserflow.reach import names_of

# Functions of torch.nn.functional that ask whether the module trains.
_DRAWING = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu"}


def _changes_in_train_mode(module: nn.Module) -> str | None:
    if not module.training:
        return None
    if isinstance(module, _BatchNorm) or (isinstance(module, _InstanceNorm) and module.track_running_stats):
        return f"{type(module).__name__} uses and changes batch statistics"
    # Attention and recurrent layers keep their rate as a number named dropout.
    rate = module.p if isinstance(module, _DropoutNd) else vars(module).get("dropout", 0.0)
    if isinstance(rate, (int, float)) and rate > 0:
        return f"{type(module).__name__} draws a new mask at every call"
    if isinstance(module, nn.RReLU) and module.lower < module.upper:
        return "RReLU draws new slopes at every call"
    if (called := names_of(type(module).forward) & _DRAWING) and "training" in names_of(type(module).forward):
        return f"{type(module).__name__}.forward calls {min(called)}"
    hooks = module._forward_pre_hooks.values()
    if isinstance(module, _SpectralNorm) or any(isinstance(hook, _HookedSpectralNorm) for hook in hooks):
        return "spectral norm changes its weights at every call"
    return None


def _needs_its_batch(module: nn.Module) -> bool:
    """Batch norm without running statistics normalises by the batch in every mode."""
    return isinstance(module, _BatchNorm) and module.running_mean is None


def require_eval(modules: list[nn.Module]) -> None:
    """Refuse modules whose output, as they are, depends on the batch, on chance or on the call before.

    Raises:
        ValueError: a layer with batch statistics, dropout or spectral norm is in train mode, or a batch norm has no
            running statistics to use in eval mode.

    Example:
        >>> from torch import nn
        >>> from wasserflow.modes import require_eval
        >>> require_eval([nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).eval()])
    """
    for root in modules:
        for name, module in root.named_modules():
            reason = _changes_in_train_mode(module)
            where = f"layer {name!r} of {type(root).__name__}" if name else type(root).__name__
            if _needs_its_batch(module):
                raise ValueError(
                    f"{where} is a {type(module).__name__} without running statistics: a sample would depend on the "
                    "others of its batch, also in eval mode; use track_running_stats=True and pass training data "
                    "through it in train mode, or a norm of one sample (GroupNorm, LayerNorm)"
                )
            if reason:
                raise ValueError(
                    f"{where} is in train mode, where {reason}; call .eval() on the {type(root).__name__} first"
                )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode inside the block, and every part of it back to its own mode after it.

    Example:
        >>> from torch import nn
        >>> from wasserflow.modes import evaluating
        >>> network = nn.Sequential(nn.Dropout())
        >>> with evaluating(network):
        ...     network[0].training
        False
        >>> network[0].training
        True
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
