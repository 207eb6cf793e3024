"""Flow-guided ratio learning: a training step against the published one, and its inner flow against its floor."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

import wasserflow as wf
from benchmarks.timing import Row, interleaved, ratio
from wasserflow.models import RatioResNet
from wasserflow.spaces import Normal

NAME = "FDRL's CIFAR-10 network, width 8, batch 8, K = 5"
STEPS, STEP_SIZE, NOISE_STD, LR, EMA, DATA_NOISE = 5, 3.0, 1e-2, 1e-4, 0.998, 3e-2


def published_step(network: torch.nn.Module, images: Tensor) -> Callable[[], Tensor]:
    """What the published code does: an inner backward() that also collects the gradients of all parameters."""
    network = deepcopy(network)
    average = deepcopy(network).requires_grad_(False)
    adam = torch.optim.Adam(network.parameters(), LR)

    def run() -> Tensor:
        x = torch.randn_like(images)
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            (2 * network(x)).sum().backward()
            x = x.data - STEP_SIZE * x.grad + NOISE_STD * torch.randn_like(x)
        real = images + DATA_NOISE * torch.randn_like(images)
        loss = network(real).square().mean() / 2 - network(x).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        for ours, theirs in zip(average.parameters(), network.parameters(), strict=True):
            ours.data = EMA * ours.data + (1 - EMA) * theirs.data
        return loss

    return run


def our_step(network: torch.nn.Module, images: Tensor) -> Callable[[], Tensor]:
    """The same by `wf.FlowGuidedRatio`, as a trainer drives it."""
    options = {"flow_steps": STEPS, "step_size": STEP_SIZE, "noise_std": NOISE_STD, "ema": EMA}
    model = wf.FlowGuidedRatio(deepcopy(network), Normal(images.shape[1:]), data_noise=DATA_NOISE, **options)
    # Without a trainer there is nowhere to log to.
    model.log_dict = lambda *_, **__: None
    adam = torch.optim.Adam(model.network.parameters(), LR)

    def run() -> Tensor:
        loss = model.training_step(images, 0)["loss"]
        adam.zero_grad()
        loss.backward()
        adam.step()
        model.average.update_parameters(model.network)
        return loss

    return run


def inner_flow(network: torch.nn.Module, images: Tensor) -> Callable[[], Tensor]:
    """The K steps of the flow in a training step."""
    model = wf.FlowGuidedRatio(network, None, flow_steps=STEPS, step_size=STEP_SIZE, noise_std=NOISE_STD, ema=0.0)
    return lambda: model.transport(images, extra_steps=0)


def floor(network: torch.nn.Module, images: Tensor) -> Callable[[], Tensor]:
    """K x (bare forward + input-only backward) of the network, and nothing else."""
    network = deepcopy(network).requires_grad_(False)

    def run() -> Tensor:
        x = images
        for _ in range(STEPS):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad((2 * network(x)).sum(), x)
            x = x.detach() - STEP_SIZE * gradient
        return x

    return run


def rows(repeats: int) -> list[Row]:
    """Time all rivals and give (subject, ratio, median, min, max, target)."""
    # The values of weights and images do not change the time.
    network, images = RatioResNet("32", width=8), 2 * torch.rand(8, 3, 32, 32) - 1
    rivals = {"training step": our_step, "published step": published_step, "inner flow": inner_flow, "floor": floor}
    seconds = interleaved({name: rival(network, images) for name, rival in rivals.items()}, repeats)
    compared = [("training step", "published step", 1.0), ("inner flow", "floor", 1.05)]
    return [(NAME, f"{a} / {b}", *ratio(seconds, a, b), target) for a, b, target in compared]
