"""The tables of Ansari et al. on images of CIFAR-10: their rows as published, and how each is run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wasserflow.cli.settings.choices import DivergenceName, MethodOptions
from wasserflow.reports import format_table, spread, spread_text

_LABELS: dict[str, str] = {"dot": "DOT", "kl": "KL", "js": "JS", "logd": "logD"}


@dataclass(frozen=True)
class Subject:
    """A base model as the paper has it.

    Args:
        label: its name in the paper.
        model: ours; where it is not shipped, its row is left out.
        base: the published Fréchet Inception distance of its samples.
        refined: the same after refinement, by `dot`, `kl`, `js` and `logd`.
        critic: which network of ours judges, or which other model's critic.
    """

    label: str
    model: str
    base: float
    refined: Mapping[str, float]
    critic: str = "critic"


@dataclass(frozen=True)
class Table:
    """A published table.

    Args:
        number: in the paper.
        about: what it shows.
        temperature: of the flows.
        subjects: its rows.
    """

    number: int
    about: str
    temperature: float
    subjects: tuple[Subject, ...]


def _by_name(**refined: float) -> Mapping[str, float]:
    return refined


TABLES = (
    Table(
        2,
        "generators with a critic of their own; SN-ResNet-GAN with that of SN-DCGAN",
        0.01,
        (
            Subject("WGAN-GP", "cifar10-wgan-gp", 28.37, _by_name(dot=24.14, kl=24.68, js=23.15, logd=24.53)),
            Subject(
                "SN-DCGAN (hi)", "cifar10-sndcgan-hinge", 20.70, _by_name(dot=17.12, kl=15.68, js=16.45, logd=17.36)
            ),
            Subject("SN-DCGAN (ns)", "cifar10-sndcgan", 20.90, _by_name(dot=15.78, kl=15.30, js=15.90, logd=16.42)),
            Subject(
                "SN-ResNet-GAN",
                "cifar10-sn-resnet-gan",
                14.10,
                _by_name(kl=9.62, js=9.79, logd=9.73),
                critic="cifar10-sndcgan",
            ),
        ),
    ),
    Table(
        4,
        "generators without one, by the critic of SN-DCGAN and a corrector",
        0.01,
        (
            Subject("MMD-GAN", "cifar10-mmd-gan", 41.98, _by_name(kl=36.75, js=38.06, logd=37.75)),
            Subject("OCF-GAN-GP", "cifar10-ocf-gan", 31.98, _by_name(kl=26.89, js=28.20, logd=27.82)),
            Subject("VAE", "cifar10-vae", 129.5, _by_name(kl=116.0, js=128.9, logd=115.2)),
            Subject("Glow", "cifar10-glow", 100.5, _by_name(kl=79.02, js=94.61, logd=81.12)),
        ),
    ),
    Table(
        13,
        "table 2 without noise",
        0.0,
        (
            Subject("WGAN-GP", "cifar10-wgan-gp", 28.34, _by_name(dot=24.14, kl=24.64, js=23.30, logd=24.42)),
            Subject(
                "SN-DCGAN (hi)", "cifar10-sndcgan-hinge", 20.67, _by_name(dot=17.12, kl=15.79, js=16.79, logd=17.79)
            ),
            Subject("SN-DCGAN (ns)", "cifar10-sndcgan", 20.94, _by_name(dot=15.78, kl=15.47, js=16.32, logd=16.97)),
        ),
    ),
    Table(
        15,
        "table 4 without correctors",
        0.01,
        (
            Subject(
                "MMD-GAN", "cifar10-mmd-gan", 42.03, _by_name(kl=39.06, js=39.68, logd=39.47), critic="uncorrected"
            ),
            Subject(
                "OCF-GAN-GP", "cifar10-ocf-gan", 31.95, _by_name(kl=27.92, js=29.25, logd=28.82), critic="uncorrected"
            ),
            Subject("VAE", "cifar10-vae", 129.49, _by_name(kl=127.50, js=128.24, logd=128.3), critic="uncorrected"),
            Subject("Glow", "cifar10-glow", 100.7, _by_name(kl=93.47, js=97.50, logd=97.78), critic="uncorrected"),
        ),
    ),
)


@dataclass(frozen=True)
class Work:
    """One refinement of one set of latents.

    Args:
        model: whose latents.
        critic: which of its networks judges.
        options: how it is refined; None for not at all.
    """

    model: str
    critic: str = ""
    options: MethodOptions | None = None

    @property
    def name(self) -> str:
        """What it is kept under."""
        return f"{self.model} {self.critic} {self.options}" if self.options else self.model


def options_of(method: str, temperature: float, step_size: float, steps: int, dot_rate: float) -> MethodOptions:
    """How a column of a table is run: DOT without noise, and as many gradient evaluations in all."""
    if method == "dot":
        return MethodOptions("dot", step_size=dot_rate, steps=steps)
    divergence: dict[str, DivergenceName] = {"kl": "kl", "js": "js", "logd": "logd"}
    return MethodOptions("dgflow", step_size, steps, temperature, divergence[method])


def row(subject: Subject, method: str, before: Sequence[float], after: Sequence[float | None]) -> dict[str, Any]:
    """Put the paper's numbers beside ours over the seeds; no number of ours where a seed diverged."""
    known = [value for value in after if value is not None]
    whole = bool(known) and len(known) == len(after)
    changes = [100 * (b / a - 1) for a, b in zip(before, known, strict=True)] if whole else []
    refined = subject.refined.get(method)
    return {
        "row": f"{subject.label}, {_LABELS[method]}",
        "published": {"before": subject.base, "after": refined},
        "published_change_percent": None if refined is None else 100 * (refined / subject.base - 1),
        "before": spread(before),
        "after": spread(known) if whole else None,
        "change_percent": spread(changes) if whole else None,
    }


def printed(table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out a table as text."""
    lines = []
    for each in rows:
        published, change = each["published"], each["published_change_percent"]
        theirs = [None, None] if change is None else [f"{published['after']:.2f}", f"{change:+.1f} %"]
        ours = ["diverged", None]
        if each["after"]:
            ours = [spread_text(each["after"], 3), spread_text(each["change_percent"], 1, "+", " %")]
        lines.append([each["row"], f"{published['before']:.2f}", *theirs, spread_text(each["before"], 3), *ours])
    header = [f"table {table.number}", "paper, FID", "refined", "change", "ours, Fréchet", "refined", "change"]
    return f"Table {table.number}: {table.about}; T = {table.temperature:g}\n" + format_table(header, lines)
