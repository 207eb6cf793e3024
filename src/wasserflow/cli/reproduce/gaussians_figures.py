"""The figures of Table 1: samples, velocity fields, and where latents end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wasserflow.cli.reproduce.gaussians_table import BASE, DATA, DDLS, REFINED, Scores, repeat_seeds
from wasserflow.cli.settings.choices import DIVERGENCES
from wasserflow.divergences import FDivergence
from wasserflow.freezing import modules_in
from wasserflow.models.pretrained import Pretrained
from wasserflow.potentials import Divergence, energy_and_gradient
from wasserflow.ratios import log_ratio_of
from wasserflow.reports import save_latent_density, save_scatter_panels, save_velocity_fields, shared_limits
from wasserflow.seeds import sample_seeds

_SHOWN_LATENTS = 1_000
_SHOWN_DATA = 2_000


def save_figures(
    out: Path, pair: Pretrained, samples: Mapping[str, Tensor], scores: Mapping[str, Scores], seed: int
) -> list[Path]:
    """Draw the figures of the first repeat.

    Args:
        out: the run directory.
        pair: generator, critic and prior.
        samples: row -> (n, 2) samples of the first repeat.
        scores: row -> numbers of the first repeat, not means: they stand over the samples they are of.
        seed: of the whole table.

    Returns:
        The files.
    """
    files = [out / "samples.png", out / "velocity.png", out / "latent_density.png"]
    quality = {label: f"{numbers['high_quality_percent']:.1f} % high quality" for label, numbers in scores.items()}
    after = {f"{row.label}\n{quality[row.label]}": samples[row.label] for row in REFINED}
    data = DATA.sample(_SHOWN_DATA, seed)
    first = f"generator\n{quality[BASE.label]}"
    save_scatter_panels(files[0], samples[BASE.label], after, data, "25 Gaussians, first repeat", first)
    _save_velocities(files[1], pair, data)
    _save_latents(files[2], pair, seed)
    return files


def _save_velocities(path: Path, pair: Pretrained, data: Tensor) -> None:
    names = {"KL": "kl", "JS": "js", "logD": "logd"}
    save_velocity_fields(
        path,
        {f"DGflow {label}": _velocity(DIVERGENCES[name], pair) for label, name in names.items()},
        lambda x: log_ratio_of(pair.critic, x),
        shared_limits([data]),
        data,
        title="where each flow pushes (arrows), over the critic (colour); dots: data",
    )


def _velocity(divergence: FDivergence, pair: Pretrained) -> Callable[[Tensor], Tensor]:
    potential = Divergence(divergence, pair.critic)
    return lambda x: -energy_and_gradient(potential, x, modules_in(potential))[1]


def _save_latents(path: Path, pair: Pretrained, seed: int) -> None:
    """Where latents end when the flow runs in latent space; the table's DGflow rows run in data space."""
    assert pair.prior is not None
    flow_seed = repeat_seeds(seed, 0)[0]
    latents = pair.prior.sample(_SHOWN_LATENTS, flow_seed)
    clouds = {"prior": latents}
    kl = next(row.options for row in REFINED if row.label == "DGflow KL")
    assert kl is not None
    for title, options in (("DGflow KL, latent space", replace(kl, space="latent")), ("DDLS", DDLS)):
        run = options.runner(pair.generator, pair.critic, pair.prior)
        ends = run(latents, seed=sample_seeds(flow_seed, len(latents))).particles
        clouds[f"{title}\n{options.steps} steps"] = ends
    with torch.no_grad():
        save_latent_density(
            path,
            lambda z: log_ratio_of(pair.critic, pair.generator(z)),
            clouds,
            shared_limits(clouds.values()),
            "latents over exp(critic(generator(z))), which leaves the prior out",
        )
