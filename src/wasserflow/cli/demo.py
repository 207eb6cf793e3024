"""`wasserflow demo`."""

from __future__ import annotations

from pathlib import Path

from wasserflow.cli.refine.command import refine


def demo(out: Path = Path("runs/demo"), n: int = 64, seed: int = 0) -> None:
    """Refine samples of the shipped CIFAR-10 GAN and say which pictures to open.

    Args:
        out: Where the results go; an earlier demo there is replaced.
        n: How many samples.
        seed: Seeds the samples and the flow.
    """
    refine(model="cifar10-sndcgan", out=out, n=n, seed=seed, overwrite=True)
