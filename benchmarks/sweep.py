"""Choose a model's default refinement on validation images: `python -m benchmarks.sweep --model cifar10-sndcgan`.

Every setting refines the same latents; the Fréchet distance to the validation images is read after several numbers of
steps of one run. The test images are not touched. `--tolerances` adds rows whose steps are controlled by their error;
`--match-quantiles` stops each sample at the log-ratio of the training image of its own rank.
"""

from __future__ import annotations

import argparse
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

import wasserflow as wf
from wasserflow.cli.settings.choices import DIVERGENCES
from wasserflow.data.images import cifar10, to_float, to_uint8
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance
from wasserflow.models import zoo
from wasserflow.reports import format_table
from wasserflow.seeds import subseed

BATCH = 100
MATCHED = 2_000  # images of each kind whose log-ratios are compared


@dataclass(frozen=True)
class Setting:
    """One point of the sweep."""

    space: str
    divergence: str
    rule: wf.integrators.Integrator

    def named(self) -> dict[str, str]:
        """What a table says of it."""
        chosen = ", ".join(f"{name} {value}" for name, value in asdict(self.rule).items() if value is not None)
        return {"space": self.space, "divergence": self.divergence, "rule": f"{type(self.rule).__name__}: {chosen}"}


def refined(
    setting: Setting,
    generator: nn.Module,
    critic: nn.Module,
    latents: Tensor,
    seeds: Tensor,
    marks: Sequence[int],
    stop: wf.stopping.Stop | None,
) -> Iterator[tuple[Tensor, int]]:
    """Images of one batch after each marked number of steps, and the gradient evaluations spent till then."""
    potential = wf.Divergence(DIVERGENCES[setting.divergence], critic)
    with torch.no_grad():
        start = latents if setting.space == "latent" else generator(latents)
    if setting.space == "latent":
        potential = wf.Pullback(potential, generator)
    left = sorted(marks, reverse=True)
    for state in wf.iterate(start, potential, setting.rule, seed=seeds, stop=stop):
        while left and (state.step == left[-1] or (state.steps is not None and (state.steps < state.step).all())):
            left.pop()
            with torch.no_grad():
                images = generator(state.x) if setting.space == "latent" else state.x.clamp(-1, 1)
            yield images, state.evaluations
        if not left:
            return


def matching(divergence: str, generator: nn.Module, critic: nn.Module, prior: wf.spaces.PriorSpace) -> wf.stopping.Stop:
    """The rule of quantiles, of as many training images as samples of a seed that nothing else uses."""
    real = to_float(cifar10("train").images[:MATCHED])
    unrefined = wf.spaces.Generated(generator, prior, BATCH).sample(MATCHED, seed=subseed(0, "quantiles"))
    return wf.stopping.match_quantiles(wf.Divergence(DIVERGENCES[divergence], critic), real, unrefined)


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
    parser.add_argument("--tolerances", nargs="+", type=float, default=[], help="of steps controlled by their error")
    parser.add_argument("--match-quantiles", action="store_true", help="stop samples where real ones of their rank are")
    parser.add_argument("--marks", nargs="+", type=int, default=[5, 10, 15, 25])
    parser.add_argument("--json-file", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # every row has the same n, and only ratios are read

    pair, net = zoo.load(options.model), zoo.load(options.features).model.features
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
    rules: list[wf.integrators.Integrator] = [
        wf.EulerMaruyama(*values) for values in itertools.product(options.step_sizes, options.temperatures)
    ]
    rules += [wf.AdaptiveEuler(tolerance) for tolerance in options.tolerances]
    stops = dict.fromkeys(options.divergences)
    if options.match_quantiles:
        stops = {name: matching(name, generator, critic, pair.prior) for name in stops}
    results = []
    for setting in [Setting(*values) for values in itertools.product(options.spaces, options.divergences, rules)]:
        images: dict[int, list[Tensor]] = {mark: [] for mark in options.marks}
        spent = dict.fromkeys(options.marks, 0)
        try:
            for z, part in tqdm(list(zip(latents, seeds, strict=True)), desc=setting.named()["rule"], leave=False):
                run = refined(setting, generator, critic, z, part, options.marks, stops[setting.divergence])
                for mark, (batch, evaluations) in zip(sorted(options.marks), run, strict=True):
                    images[mark].append(batch)
                    spent[mark] += evaluations
            changes = [100 * (distance(images[mark]) / base - 1) for mark in options.marks]
        except wf.FlowDiverged:
            changes = [float("nan")] * len(options.marks)
        each = spent[max(options.marks)] / options.n
        change_percent = dict(zip(options.marks, changes, strict=True))
        results.append({**setting.named(), "change_percent": change_percent, "evaluations_a_sample": each})
        tqdm.write(f"  {setting.named()['rule']}: " + ", ".join(f"{change:+.1f}" for change in changes))
    names = ["space", "divergence", "rule"]
    rows = []
    for row in results:
        numbers = [*(f"{c:+.1f}" for c in row["change_percent"].values()), f"{row['evaluations_a_sample']:.1f}"]
        rows.append([*(row[name] for name in names), *numbers])
    print(format_table([*names, *(f"{mark} steps" for mark in options.marks), "evaluations"], rows))
    if options.json_file:
        options.json_file.write_text(json.dumps({"base": base, "results": results}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
