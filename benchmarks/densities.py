"""The kernel terms of `gmi`: against the generator, and as the references grow."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import torch

import wasserflow as wf
from benchmarks.timing import Row, interleaved, ratio
from wasserflow.models import zoo
from wasserflow.potentials import energy_and_gradient

PARTICLES = 1_000
FEATURES = 4_096  # of an SN-DCGAN critic of 256 channels, flattened
POOLED = 128  # of the critic on pooled features that ships with the pair
SIZES = (1_000, 5_000, 20_000, 50_000)
_MEMORY_LIMIT = 1.5e9


def _cloud(n: int, seed: int, features: int = FEATURES) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(seed))


def _against_generator(features: int, repeats: int) -> dict[str, list[float]]:
    pair = zoo.load("cifar10-sndcgan")
    latents = pair.prior.sample(PARTICLES)
    particles, references = _cloud(PARTICLES, 0, features), _cloud(1_000, 1, features)

    def generator() -> None:
        energy_and_gradient(lambda z: pair.generator(z).flatten(1).sum(dim=1), latents, [pair.generator])

    def terms(density: wf.densities.Density) -> wf.potentials.Interaction:
        return wf.potentials.Interaction(None, density, density.fit(references))

    kde, ridge = terms(wf.KernelDensity()), terms(wf.KernelRidge())
    return interleaved(
        {
            "generator": generator,
            "kernel density": lambda: energy_and_gradient(kde, particles, []),
            "kernel ridge": lambda: energy_and_gradient(ridge, particles, []),
            "log p alone": lambda: energy_and_gradient(lambda x: -kde.real(x), particles, []),  # type: ignore[misc]
        },
        repeats,
    )


def step(references: int) -> None:
    """Print the seconds of one evaluation of both terms, and this process's peak memory in bytes."""
    density = wf.KernelDensity()
    potential = wf.potentials.Interaction(None, density, density.fit(_cloud(references, 1)))
    particles, seconds = _cloud(PARTICLES, 0), []
    for _ in range(3 if references < 10_000 else 1):
        start = time.perf_counter()
        energy_and_gradient(potential, particles, [])
        seconds.append(time.perf_counter() - start)
    print(min(seconds), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _in_a_process(references: int) -> tuple[float, float]:
    code = f"import torch; torch.set_num_threads({torch.get_num_threads()}); from benchmarks import densities; "
    command = [sys.executable, "-c", code + f"densities.step({references})"]
    seconds, memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(memory)


def rows(repeats: int) -> list[Row]:
    """Time the terms and give (subject, ratio, median, min, max, target)."""
    # First, while this process is small: the peak of a child counts that of the process that forked it.
    steps = {size: _in_a_process(size) for size in SIZES}
    found = []
    for features in (POOLED, FEATURES):
        seconds = _against_generator(features, repeats)
        subject = f"CIFAR-10 SN-DCGAN, {features} features, {PARTICLES} particles"
        for name in ("log p alone", "kernel density", "kernel ridge"):
            what = f"{name}, 1,000 references / generator"
            found.append((subject, what, *ratio(seconds, name, "generator"), 0.30))
    first, last = SIZES[1], SIZES[-1]
    # Linear in the references above the cost of log q, which has none: the ratio of the slopes of two stretches is 1.
    early = (steps[SIZES[2]][0] - steps[first][0]) / (SIZES[2] - first)
    late = (steps[last][0] - steps[SIZES[2]][0]) / (last - SIZES[2])
    growth = late / early
    memory = steps[last][1] / _MEMORY_LIMIT
    subject = f"log q and log p, {FEATURES} features, {PARTICLES} particles, " + " / ".join(
        f"{size:,}: {time:.2f} s, {bytes_ / 1e9:.2f} GB" for size, (time, bytes_) in steps.items()
    )
    return [
        *found,
        (subject, "slope of time, 20k to 50k / 5k to 20k", *([growth] * 3), 1.3),
        (subject, "peak memory at 50k / 1.5 GB", *([memory] * 3), 1.0),
    ]
