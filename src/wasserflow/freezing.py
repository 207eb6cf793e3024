"""Find the modules given to the library, and leave them as they were: no parameter gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, is_dataclass
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from wasserflow.modes import require_eval
from wasserflow.reach import parts_of


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
    holder.inside.training = holder.training = any(getattr(part, "training", False) for part in modules_in(*functions))


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

    Raises:
        ValueError: what `require_eval` refuses, such as a network that was trained since the last step of a flow.

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
    parameters, training = _parameters_of(modules)
    if training:
        require_eval(modules)
    # Deep copies of scripted modules have results of a computation for weights.
    thawed = [p for p in parameters if p.requires_grad and p.is_leaf and not p.is_inference()]
    for parameter in thawed:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in thawed:
            parameter.requires_grad_(True)


def _parameters_of(modules: list[nn.Module]) -> tuple[list[Tensor], bool]:
    """What `parameters()` gives, shared ones perhaps twice, in a third of the time: every step of a flow asks.

    And whether any module is in train mode.
    """
    found: list[Tensor | None] = []
    training = False
    seen: set[nn.Module] = set()
    waiting: list[nn.Module | None] = list(modules)
    while waiting:
        module = waiting.pop()
        if module is not None and module not in seen:
            seen.add(module)
            training = training or getattr(module, "training", False)
            found += module._parameters.values()
            waiting += module._modules.values()
    return [parameter for parameter in found if parameter is not None], training


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
            # Under autocast layers convert what they are given.
            other = parameter.is_floating_point() and parameter.dtype != x.dtype
            if other and not torch.is_autocast_enabled(x.device.type):
                raise ValueError(
                    f"{type(module).__name__}.{name} is {parameter.dtype} but the particles are {x.dtype}; "
                    f"convert one with .to({parameter.dtype})"
                )


def require_same_result(x: Tensor, function: object, result: Tensor) -> None:
    """Refuse particles that a network given as it is was not made for, where arithmetic promoted them silently.

    Raises:
        ValueError: the result has another dtype than x, and so do the modules that x was given to.
    """
    if result.dtype != x.dtype and x.is_floating_point():
        require_same_kind(x, modules_given(function))


def ready_modules(*objects: object) -> list[nn.Module]:
    """Find the modules inside what a flow evaluates, and refuse them where particles could not flow by it.

    Args:
        objects: the potential, and whatever else is called on the way.

    Returns:
        The outermost modules.

    Raises:
        ValueError: what `require_eval` or `require_differentiable` refuses.
    """
    modules = modules_in(*objects)
    require_eval(modules)
    require_differentiable(modules)
    return modules


@contextmanager
def kinds_explained(x: Tensor, modules: list[nn.Module]) -> Iterator[None]:
    """Say which device or dtype was to blame where a computation with x inside the block fails.

    Networks may convert what they are given, so nothing is refused beforehand.

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
            "take such a batch? (The critic is given first, the generator after the particles.)"
        )
        raise


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
    with torch.no_grad():  # the weights of a scripted copy would be results of a computation, too
        copy = deepcopy(module, {id(value): value.detach().clone() for value in values if not value.is_leaf})
    for ours, theirs in zip(copy.parameters(), module.parameters(), strict=True):
        if ours.requires_grad != theirs.requires_grad:
            ours.requires_grad_(theirs.requires_grad)
    return copy
