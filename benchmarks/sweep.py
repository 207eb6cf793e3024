"""Choose a model's default refinement on validation images: `python -m benchmarks.sweep --model cifar10-sndcgan`.

Every setting refines the same latents; the Fréchet distance to the validation images is read after several numbers of
steps of one run. The test images are not touched.
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

import wasserflow as wf
from wasserflow.cli.choices import DIVERGENCES
from wasserflow.cli.measures import ClassifierFeatures
from wasserflow.data.images import cifar10, to_float, to_uint8
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance
from wasserflow.models import zoo
from wasserflow.reports import format_table

BATCH = 100


@dataclass(frozen=True)
class Setting:
    """One point of the sweep."""

    space: str
    divergence: str
    step_size: float
    temperature: float


def refined(
    setting: Setting, generator: nn.Module, critic: nn.Module, latents: Tensor, seeds: Tensor, marks: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """Images of one batch after each marked number of steps."""
    potential = wf.Divergence(DIVERGENCES[setting.divergence], critic)
    with torch.no_grad():
        start = latents if setting.space == "latent" else generator(latents)
    if setting.space == "latent":
        potential = wf.Pullback(potential, generator)
    rule = wf.EulerMaruyama(setting.step_size, setting.temperature)
    for state in wf.iterate(start, potential, rule, seed=seeds):
        if state.step in marks:
            with torch.no_grad():
                yield state.step, generator(state.x) if setting.space == "latent" else state.x.clamp(-1, 1)
        if state.step == max(marks):
            return


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--model", default="cifar10-sndcgan")
    parser.add_argument("--critic", default="critic", help="which network of the model is the critic")
    parser.add_argument("--features", default="cifar10-resnet")
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1_000, help="not one of the seeds that results are reported for")
    parser.add_argument("--spaces", nargs="+", default=["latent"])
    parser.add_argument("--divergences", nargs="+", default=["kl", "js", "logd"])
    parser.add_argument("--step-sizes", nargs="+", type=float, default=[0.03, 0.1, 0.3, 1.0])
    parser.add_argument("--temperatures", nargs="+", type=float, default=[0.0, 0.01])
    parser.add_argument("--marks", nargs="+", type=int, default=[5, 10, 15, 25])
    parser.add_argument("--json-file", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # every row has the same n, and only ratios are read

    pair, net = zoo.load(options.model), ClassifierFeatures(zoo.load(options.features).model)
    generator, critic = wf.prepare(pair.generator, pair.networks[options.critic])
    validation = FeatureMoments.of(extract_features(net, map(to_float, cifar10("validation").images.split(BATCH))))

    def distance(images: Sequence[Tensor]) -> float:
        rounded = (to_float(to_uint8(batch)) for batch in images)
        return frechet_distance(FeatureMoments.of(extract_features(net, rounded)), validation)

    seeds = wf.sample_seeds(options.seed, options.n).split(BATCH)
    latents = [pair.prior.sample(len(part), part) for part in seeds]
    with torch.no_grad():
        base = distance([generator(z) for z in latents])
    print(f"{options.model}, {options.critic}: Fréchet distance {base:.4f} before, {options.n} samples of seed")
    print(f"{options.seed} against {validation.count} validation images, features {options.features};")
    print("change in % after so many steps:")
    grid = itertools.product(options.spaces, options.divergences, options.step_sizes, options.temperatures)
    results = []
    for setting in [Setting(*values) for values in grid]:
        images: dict[int, list[Tensor]] = {mark: [] for mark in options.marks}
        try:
            for z, part in tqdm(list(zip(latents, seeds, strict=True)), desc=str(setting), leave=False):
                for mark, batch in refined(setting, generator, critic, z, part, options.marks):
                    images[mark].append(batch)
            changes = [100 * (distance(images[mark]) / base - 1) for mark in options.marks]
        except wf.FlowDiverged:
            changes = [float("nan")] * len(options.marks)
        results.append({**vars(setting), "change_percent": dict(zip(options.marks, changes, strict=True))})
        tqdm.write(f"  {setting}: " + ", ".join(f"{change:+.1f}" for change in changes))
    names = ["space", "divergence", "step_size", "temperature"]
    rows = [
        [*(str(row[name]) for name in names), *(f"{c:+.1f}" for c in row["change_percent"].values())] for row in results
    ]
    print(format_table([*names, *(f"{mark} steps" for mark in options.marks)], rows))
    if options.json_file:
        options.json_file.write_text(json.dumps({"base": base, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
