"""`python -m benchmarks.amortised`: refined images for one evaluation of a small network, beside the flow it learnt."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from tqdm import tqdm

import wasserflow as wf
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance
from wasserflow.reports import format_table
from wasserflow.seeds import subseed

VALIDATION = {"cifar10-sndcgan": (wf.data.cifar10, "cifar10-resnet"), "mnist-gan": (wf.data.mnist, "mnist-resnet")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.amortised", description=__doc__)
    parser.add_argument("--model", choices=VALIDATION, default="cifar10-sndcgan")
    parser.add_argument("--n", type=int, default=1000, help="fresh samples that are measured")
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 4000], help="refined latents to learn from")
    parser.add_argument("--width", type=int, default=512, help="of the network, which has two hidden layers")
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pair = wf.zoo.load(options.model)
    read, judge = VALIDATION[options.model]
    features = wf.zoo.load(judge).model.features
    reference = FeatureMoments.of(extract_features(features, wf.data.to_float(read("validation").images)))
    generator, critic = wf.prepare(pair.generator, pair.critic, precision=torch.bfloat16)
    rule = wf.EulerMaruyama(pair.card.refine.get("step_size", 0.1))

    def refined(z: Tensor) -> Tensor:
        parts = [
            wf.refine(critic, part, generator, integrator=rule, steps=25).particles
            for part in tqdm(z.split(100), desc="refining", unit="batch", leave=False)
        ]
        return torch.cat(parts)

    def distance(z: Tensor) -> float:
        with torch.no_grad():
            images = torch.cat([generator(part) for part in z.split(100)])
        return float(frechet_distance(FeatureMoments.of(extract_features(features, images)), reference))

    fresh = pair.prior.sample(options.n, seed=subseed(options.seed, "measured"))
    before = distance(fresh)
    rows = [("unrefined", 0, before, "–")]
    after = distance(refined(fresh))
    rows.append(("flow", 25, after, f"{100 * (after / before - 1):+.1f} %"))
    z = pair.prior.sample(max(options.pairs), seed=options.seed)
    ends = refined(z)
    for count in options.pairs:
        with torch.random.fork_rng():
            torch.manual_seed(options.seed)
            size, width = z.shape[1], options.width
            layers = [nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, size)]
        flow = wf.training.amortise(nn.Sequential(*layers), z[:count], ends[:count], steps=options.updates)
        with torch.no_grad():
            after = distance(flow(fresh))
        name = f"learnt from {count} pairs, explains {100 * flow.explained:.1f} %"
        rows.append((name, 0, after, f"{100 * (after / before - 1):+.1f} %"))
    print(format_table(["", "gradient evaluations", "Fréchet distance", "change"], rows))


if __name__ == "__main__":
    main()
