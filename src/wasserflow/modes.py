"""Modes of networks: train mode, where an output depends on the batch or on chance, is refused, never switched."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.jit import ScriptModule
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm as _HookedSpectralNorm

from wasserflow.reach import names_of

# Functions of torch.nn.functional that ask whether the module trains.
_ASKING = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu"}
_ASKING |= {"batch_norm"}


def _changes_in_train_mode(module: nn.Module) -> str | None:
    if not getattr(module, "training", False):  # frozen scripted modules have no mode
        return None
    kind = _kind(module)
    if issubclass(kind, _BatchNorm) or (issubclass(kind, _InstanceNorm) and module.track_running_stats):
        return f"{kind.__name__} uses and changes batch statistics"
    # Attention and recurrent layers keep their rate as a number named dropout.
    rate = getattr(module, "p", 1.0) if issubclass(kind, _DropoutNd) else _stored(module, "dropout", 0.0)
    if isinstance(rate, (int, float)) and rate > 0:
        return f"{kind.__name__} draws a new mask at every call"
    if issubclass(kind, nn.RReLU) and getattr(module, "lower", 0) < getattr(module, "upper", 1):
        return "RReLU draws new slopes at every call"
    names = names_of(inspect.getattr_static(kind, "forward", None))
    if (called := names & _ASKING) and "training" in names:
        return f"{kind.__name__}.forward calls {min(called)}"
    hooks = module._forward_pre_hooks.values()
    if isinstance(module, _SpectralNorm) or any(isinstance(hook, _HookedSpectralNorm) for hook in hooks):
        return "spectral norm changes its weights at every call"
    return None


def _kind(module: nn.Module) -> type[nn.Module]:
    """The class of a layer, also of a scripted one, of which TorchScript keeps the name."""
    named = getattr(nn, getattr(module, "original_name", ""), None) if isinstance(module, ScriptModule) else None
    return named if isinstance(named, type) else type(module)


def _needs_its_batch(module: nn.Module) -> bool:
    """Batch norm without running statistics normalises by the batch in every mode."""
    return issubclass(_kind(module), _BatchNorm) and getattr(module, "running_mean", module) is None


def _stored(module: nn.Module, name: str, otherwise: float) -> object:
    """An attribute without asking a `__getattr__`, which in diffusers' models answers with a warning."""
    if isinstance(module, ScriptModule):
        return getattr(module, name, otherwise)
    return vars(module).get(name, inspect.getattr_static(type(module), name, otherwise))


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
                    f"{where} is a {_kind(module).__name__} without running statistics: a sample would depend on the "
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
    # Frozen scripted modules have no mode.
    modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
