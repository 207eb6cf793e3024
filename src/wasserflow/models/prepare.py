"""Fast copies of networks that will not be trained."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm as HookedSpectralNorm
from torch.nn.utils.spectral_norm import SpectralNormLoadStateDictPreHook
from torch.utils._pytree import tree_leaves, tree_map

from wasserflow.freezing import copied
from wasserflow.models.fused_sequential import FusedSequential
from wasserflow.modes import require_eval


def prepare(*modules: nn.Module, compile: bool = False, precision: torch.dtype | None = None) -> tuple[nn.Module, ...]:
    """Copy networks for frozen use: same function, faster forward and input gradient.

    Weight parametrisations (spectral norm) are baked in and parameters no longer require a gradient. Where an
    `nn.Sequential` is called as a whole, batch norm is folded into the layer before it, a rectifier into the linear
    layer before it, and 2-D convolutions run channels-last; taken apart it has the layers it always had. What your own
    modules compute outside of a Sequential stays as it is.

    Args:
        modules: networks in eval mode, e.g. a generator and its critic; left as they are.
        compile: also `torch.compile` the copies, which pays after many steps.
        precision: `torch.bfloat16` or `torch.float16` runs matrix products and convolutions in it, by autocast. Two to
            three times as fast where the hardware has it, and slower where it has not; the function is then only nearly
            the same (some percent of the gradient). None leaves numbers as they are.

    Returns:
        The copies, in the order given; they take and return what the originals do.

    Raises:
        TypeError: something that is not a module.
        ValueError: a network in train mode, or another precision.

    Example:
        >>> from torch import nn
        >>> import torch, wasserflow as wf
        >>> critic = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1)).eval()
        >>> generator, fast = wf.prepare(nn.Linear(2, 2).eval(), critic)
        >>> bool(torch.allclose(fast(torch.ones(3, 2)), critic(torch.ones(3, 2))))
        True
    """
    for module in modules:
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"a {type(module).__name__} cannot be prepared; give nn.Modules, and use functions as they are"
            )
    require_eval(list(modules))
    if precision not in (None, torch.bfloat16, torch.float16):
        raise ValueError(f"precision is {precision}; give torch.bfloat16, torch.float16 or None")
    with torch.inference_mode(False):
        return tuple(_prepared(module, compile, precision) for module in modules)


class Autocast(nn.Module):
    """A network whose matrix products and convolutions run in a half precision, between inputs and outputs that do not.

    Args:
        module: a network.
        precision: `torch.bfloat16` or `torch.float16`.

    Example:
        >>> import torch
        >>> from wasserflow.models.prepare import Autocast
        >>> Autocast(torch.nn.Linear(2, 1), torch.bfloat16)(torch.ones(3, 2)).dtype
        torch.float32
    """

    def __init__(self, module: nn.Module, precision: torch.dtype) -> None:
        super().__init__()
        self.module, self.precision = module, precision
        self.training = getattr(module, "training", False)  # frozen scripted modules have no mode

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Return what the network makes of its arguments, tensors in the number format of the first float of these."""
        given = [part for part in tree_leaves((arguments, options)) if isinstance(part, Tensor)]
        dtype = next((part.dtype for part in given if _is_float(part)), torch.get_default_dtype())
        with torch.autocast(given[0].device.type if given else "cpu", self.precision):
            result = self.module(*arguments, **options)
        return tree_map(lambda part: part.to(dtype) if _is_float(part) else part, result)

    def __getattr__(self, name: str) -> Any:
        """Look for what is not the wrapper's in the network, whose other methods run in its own precision."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


def _is_float(part: object) -> bool:
    return isinstance(part, Tensor) and part.is_floating_point()


def _prepared(module: nn.Module, compile: bool, precision: torch.dtype | None) -> nn.Module:
    copy = copied(module)
    for layer in list(copy.modules()):
        _bake(layer)
    for layer in list(copy.modules()):
        if type(layer) is nn.Sequential:
            layer.__class__ = FusedSequential
    for parameter in copy.parameters():  # scripted modules have no requires_grad_ of their own
        parameter.requires_grad_(False)
    if precision is not None:
        copy = Autocast(copy, precision)
    return cast(nn.Module, torch.compile(copy)) if compile else copy


def _bake(layer: nn.Module) -> None:
    if parametrize.is_parametrized(layer):
        values = {name: getattr(layer, name).detach().clone() for name in layer.parametrizations}  # type: ignore[union-attr]
        # torch's own remove_parametrizations would take the property off the class, which the original still uses.
        layer.__class__ = type(layer).__mro__[1]
        del layer.parametrizations
        for name, value in values.items():
            layer.register_parameter(name, nn.Parameter(value))
    for hook in list(layer._forward_pre_hooks.values()):
        if isinstance(hook, HookedSpectralNorm):
            remove_spectral_norm(layer, hook.name)
            # torch wraps the hook that reads old files, and then does not know it again to remove it.
            for key, reader in list(layer._load_state_dict_pre_hooks.items()):
                if isinstance(getattr(reader, "hook", reader), SpectralNormLoadStateDictPreHook):
                    del layer._load_state_dict_pre_hooks[key]
