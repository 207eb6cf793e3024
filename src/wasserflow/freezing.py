"""Leave the modules given to the library as they were: no parameter gradients, no silent switch of mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, is_dataclass
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.spectral_norm import SpectralNorm as _HookedSpectralNorm

from wasserflow.reach import names_of, parts_of

# Functions of torch.nn.functional that ask whether the module trains.
_DRAWING = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "rrelu"}


def modules_in(*objects: object) -> list[nn.Module]:
    """Find the modules that an object can call on: itself, what it holds, or what a function closes over.

    Args:
        objects: modules, functions, partial objects, bound methods, dataclasses, or containers of them, however deep.

    Returns:
        The outermost modules found, each once.

    Example:
        >>> from torch import nn
        >>> from wasserflow.freezing import modules_in
        >>> critic = nn.Linear(2, 1)
        >>> modules_in(lambda x: critic(x).squeeze(-1)) == [critic]
        True
    """
    found: dict[int, nn.Module] = {}
    seen: set[int] = set()
    waiting = list(objects)
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, nn.Module):
            found[id(item)] = item
        else:
            waiting.extend(parts_of(item))
    return list(found.values())


def modules_given(item: object) -> list[nn.Module]:
    """Find the modules that get the particles as they are: itself, and those in the fields of dataclasses.

    Functions between may convert the particles first, so what they call on is not among them.

    Example:
        >>> import wasserflow as wf
        >>> from torch import nn
        >>> from wasserflow.freezing import modules_given
        >>> critic = nn.Linear(2, 1)
        >>> len(modules_given(wf.Divergence(wf.KL(), critic))), len(modules_given(lambda x: critic(x)))
        (1, 0)
    """
    if isinstance(item, nn.Module):
        return [item]
    if is_dataclass(item) and not isinstance(item, type):
        return [module for field in fields(item) for module in modules_given(getattr(item, field.name))]
    if isinstance(item, (list, tuple)):
        return [module for part in item for module in modules_given(part)]
    return []


def adopt(holder: nn.Module, *functions: object) -> None:
    """Let a module that calls functions hold the modules these close over, and take on their mode.

    They are then found, refused in train mode, frozen and moved with it, as registered ones are. Call it at the end of
    `__init__`.

    Args:
        holder: the module that calls them.
        functions: modules, which it has registered, or plain functions.

    Example:
        >>> from torch import nn
        >>> from wasserflow.freezing import adopt
        >>> holder, critic = nn.Module(), nn.Linear(2, 1)
        >>> adopt(holder, lambda x: critic(x))
        >>> list(holder.modules())[-1] is critic
        True
    """
    holder.inside = nn.ModuleList(modules_in(*(each for each in functions if not isinstance(each, nn.Module))))
    holder.inside.training = holder.training = any(part.training for part in modules_in(*functions))


def _changes_in_train_mode(module: nn.Module) -> str | None:
    if not module.training:
        return None
    if isinstance(module, _BatchNorm) or (isinstance(module, _InstanceNorm) and module.track_running_stats):
        return f"{type(module).__name__} uses and changes batch statistics"
    # Attention and recurrent layers keep their rate as a number named dropout.
    rate = module.p if isinstance(module, _DropoutNd) else getattr(module, "dropout", 0.0)
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
        >>> from wasserflow.freezing import require_eval
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


def require_differentiable(modules: list[nn.Module]) -> None:
    """Refuse modules that no gradient can pass.

    Raises:
        ValueError: a parameter or buffer was made in inference mode.

    Example:
        >>> from torch import nn
        >>> from wasserflow.freezing import require_differentiable
        >>> require_differentiable([nn.Linear(2, 1)])
    """
    for module in modules:
        for name, value in chain(module.named_parameters(), module.named_buffers()):
            if value.is_inference():
                raise ValueError(
                    f"{type(module).__name__}.{name} was made inside torch.inference_mode(), and passes no gradient; "
                    "build or load the network outside of it, or take the copy that wf.prepare makes"
                )


@contextmanager
def frozen(modules: list[nn.Module]) -> Iterator[None]:
    """Switch requires_grad off for every parameter inside the block, and back to what it was after it.

    Example:
        >>> from torch import nn
        >>> from wasserflow.freezing import frozen
        >>> critic = nn.Linear(2, 1)
        >>> with frozen([critic]):
        ...     critic.weight.requires_grad
        False
        >>> critic.weight.requires_grad
        True
    """
    thawed = [p for module in modules for p in module.parameters() if p.requires_grad and not p.is_inference()]
    for parameter in thawed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in thawed:
            parameter.requires_grad_(True)


@contextmanager
def gradients_on() -> Iterator[None]:
    """Build graphs even inside the caller's `torch.no_grad()` or `torch.inference_mode()`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def require_same_kind(x: Tensor, modules: list[nn.Module]) -> None:
    """Refuse particles of another device or floating dtype than the modules they are given to.

    Raises:
        ValueError: a floating parameter lives on another device, or has another dtype, than x.
    """
    for module in modules:
        for name, parameter in module.named_parameters():
            if parameter.device != x.device:
                raise ValueError(
                    f"{type(module).__name__}.{name} is on {parameter.device} but the particles are on {x.device}; "
                    f"move one with .to({str(parameter.device)!r})"
                )
            if parameter.is_floating_point() and parameter.dtype != x.dtype:
                raise ValueError(
                    f"{type(module).__name__}.{name} is {parameter.dtype} but the particles are {x.dtype}; "
                    f"convert one with .to({parameter.dtype})"
                )


def ready_modules(potential: object, x: Tensor) -> list[nn.Module]:
    """Find the modules inside a potential, and refuse them where particles could not flow along its gradient.

    Args:
        potential: what is evaluated.
        x: (batch, *event) particles.

    Returns:
        The outermost modules.

    Raises:
        ValueError: what `require_eval`, `require_differentiable` or `require_same_kind` refuses.
    """
    modules = modules_in(potential)
    require_eval(modules)
    require_differentiable(modules)
    require_same_kind(x, modules_given(potential))
    return modules


@contextmanager
def kinds_explained(x: Tensor, modules: list[nn.Module]) -> Iterator[None]:
    """Say which device or dtype was to blame where a computation with x inside the block fails.

    For functions, which may convert what they are given; nothing is refused beforehand.

    Raises:
        ValueError: the block raised a RuntimeError, and `require_same_kind` refuses x.

    Example:
        >>> import torch
        >>> from wasserflow.freezing import kinds_explained
        >>> layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2, dtype=torch.float64)
        >>> with kinds_explained(x, [layer]):
        ...     shape = layer(x.float()).shape
        >>> shape
        torch.Size([1, 1])
    """
    try:
        yield
    except RuntimeError as error:
        try:
            require_same_kind(x, modules)
        except ValueError as explanation:
            raise explanation from error
        error.add_note(
            f"The particles were {tuple(x.shape)} of {x.dtype} on {x.device}: does the generator, or else the critic, "
            "take such a batch?"
        )
        raise


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module in evaluation mode inside the block, and every part of it back to its own mode after it.

    Example:
        >>> from torch import nn
        >>> from wasserflow.freezing import evaluating
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


M = TypeVar("M", bound=nn.Module)


def copied(module: M) -> M:
    """Return a deep copy, also of a module whose weights are results of a computation.

    `torch.nn.utils.spectral_norm` and `weight_norm` leave such weights behind, and `copy.deepcopy` refuses them.

    Example:
        >>> import torch
        >>> from wasserflow.freezing import copied
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 1))
        >>> _ = layer(torch.ones(1, 2))
        >>> copied(layer).weight.requires_grad
        False
    """
    values = (value for layer in module.modules() for value in vars(layer).values() if isinstance(value, Tensor))
    return deepcopy(module, {id(value): value.detach().clone() for value in values if not value.is_leaf})
