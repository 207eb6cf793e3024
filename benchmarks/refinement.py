"""A refinement against its floor, against the published loop, and with prepared networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import wasserflow as wf
from benchmarks.timing import Row, interleaved, ratio
from wasserflow.models import SNDCGANCritic, SNDCGANGenerator, mlp_critic, mlp_generator
from wasserflow.spaces import Normal

STEP_SIZE, TEMPERATURE = 0.01, 0.01


@dataclass(frozen=True)
class Subject:
    """A pair and the work to time on it."""

    name: str
    generator: nn.Module
    critic: nn.Module
    latents: Tensor
    steps: int


def cifar10_pair() -> Subject:
    """The SN-DCGAN of 256 channels, untrained (the weights do not change the time), and 100 latents."""
    generator, critic = SNDCGANGenerator(256), SNDCGANCritic(256)
    # One pass in training mode settles the power iterations of a critic that was never trained.
    critic.train()(torch.zeros(2, 3, 32, 32))
    return Subject("CIFAR-10 SN-DCGAN, 256 channels, batch 100", generator, critic, Normal(128).sample(100), steps=25)


def toy_pair(points: int = 5_000) -> Subject:
    """The shipped pair of the 25 Gaussians, and the 5,000 latents and 100 steps of a repeat of its table."""
    pair = wf.zoo.load("25gaussians")
    latents = pair.prior.sample(points)
    return Subject(f"25gaussians, 256 units, batch {points:,}", pair.generator, pair.critic, latents, steps=100)


def wide_toy_pair() -> Subject:
    """Untrained perceptrons of the published width, which are matrix products and little else."""
    return Subject("perceptrons, 512 units, batch 5,000", mlp_generator(), mlp_critic(), Normal(2).sample(5_000), 20)


def floor(subject: Subject) -> Callable[[], Tensor]:
    """steps x (bare forward + input-only backward) of the modules as given, and nothing else."""

    def run() -> Tensor:
        z = subject.latents
        for _ in range(subject.steps):
            z = z.detach().requires_grad_()
            with torch.enable_grad():
                score = subject.critic(subject.generator(z)).sum()
            (gradient,) = torch.autograd.grad(score, z)
            z = z + STEP_SIZE * gradient
        return z

    return run


def published_loop(subject: Subject) -> Callable[[], Tensor]:
    """What the published code does: backward() through networks whose parameters collect gradients, and fresh noise."""

    def run() -> Tensor:
        z = subject.latents
        for _ in range(subject.steps):
            z = z.detach().requires_grad_()
            score = subject.critic(subject.generator(z)).squeeze()
            score.backward(torch.ones_like(score))
            noise = torch.randn_like(z)
            z = z.data + STEP_SIZE * z.grad + (2 * STEP_SIZE * TEMPERATURE) ** 0.5 * noise
        return z

    return run


def refine(subject: Subject, generator: nn.Module, critic: nn.Module) -> Callable[[], object]:
    """Our refinement of the same latents, its final images included."""
    rule = wf.EulerMaruyama(STEP_SIZE, TEMPERATURE)
    return lambda: wf.refine(critic, subject.latents, generator, integrator=rule, steps=subject.steps)


def products(subject: Subject) -> Callable[[], Tensor]:
    """The matrix products of a floor of perceptrons and nothing else: no exact float32 step of theirs is faster."""
    weights = [
        m.weight.detach() for net in (subject.generator, subject.critic) for m in net if isinstance(m, nn.Linear)
    ]
    sizes = [subject.latents.shape[1], *(len(weight) for weight in weights)]
    # Not zeros, of which processors are done sooner.
    given = [torch.randn(len(subject.latents), size) for size in sizes]
    made = [torch.empty_like(values) for values in given]

    def run() -> Tensor:
        for _ in range(subject.steps):
            for layer, weight in enumerate(weights):
                torch.mm(given[layer], weight.t(), out=made[layer + 1])
            for layer, weight in reversed(list(enumerate(weights))):
                torch.mm(given[layer + 1], weight, out=made[layer])
        return made[0]

    return run


def rows(subject: Subject, repeats: int) -> list[Row]:
    """Time all rivals and give (subject, ratio, median, min, max, target)."""
    subject.generator.eval(), subject.critic.eval()
    exact = wf.prepare(subject.generator, subject.critic)
    half = wf.prepare(subject.generator, subject.critic, precision=torch.bfloat16)
    bare = [p for m in (subject.generator, subject.critic) for p in m.parameters()]

    def frozen_floor() -> Tensor:
        for parameter in bare:
            parameter.requires_grad_(False)
        try:
            return floor(subject)()
        finally:
            for parameter in bare:
                parameter.requires_grad_(True)

    rivals = {
        "floor": frozen_floor,
        "refine": refine(subject, subject.generator, subject.critic),
        "prepared": refine(subject, *exact),
        "prepared in bfloat16": refine(subject, *half),
        "published": published_loop(subject),
    }
    compared: list[tuple[str, str, float | None]] = [
        ("refine", "floor", 1.05),
        ("refine", "published", 0.75),
        ("prepared", "floor", 0.80),
        ("prepared in bfloat16", "floor", 0.80),
    ]
    if not isinstance(subject.critic, SNDCGANCritic):
        rivals["matrix products alone"] = products(subject)
        compared.append(("matrix products alone", "floor", None))
    seconds = interleaved(rivals, repeats)
    return [(subject.name, f"{a} / {b}", *ratio(seconds, a, b), target) for a, b, target in compared]
