"""`python -m benchmarks.amortised`: refined images in one evaluation, or a few, beside the flow they learnt from."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from tqdm import tqdm

import wasserflow as wf
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance
from wasserflow.reports import format_table
from wasserflow.seeds import subseed

# Images, the features that measure, and those that a generator is taught in.
VALIDATION = {
    "cifar10-sndcgan": (wf.data.cifar10, "cifar10-resnet", "cifar10-robust"),
    "mnist-gan": (wf.data.mnist, "mnist-resnet", "mnist-robust"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.amortised", description=__doc__)
    parser.add_argument("--model", choices=VALIDATION, default="cifar10-sndcgan")
    parser.add_argument("--n", type=int, default=1000, help="fresh samples that are measured")
    parser.add_argument("--pairs", type=int, nargs="+", default=[3000, 12000], help="refined latents to learn from")
    parser.add_argument("--width", type=int, default=512, help="of the latent map, which has two hidden layers")
    parser.add_argument("--updates", type=int, default=1500, help="of the latent map")
    parser.add_argument("--distilled", type=int, default=500, help="updates of the generator")
    parser.add_argument("--steps", type=int, nargs="+", default=[3, 5, 25], help="of a flow, from either generator")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pair = wf.zoo.load(options.model)
    read, judge, teacher = VALIDATION[options.model]
    features = wf.zoo.load(judge).model.features
    reference = FeatureMoments.of(extract_features(features, wf.data.to_float(read("validation").images)))
    generator, critic = wf.prepare(pair.generator, pair.critic, precision=torch.bfloat16)
    rule = wf.EulerMaruyama(pair.card.refine.get("step_size", 0.1))

    def refined(z: Tensor, through: nn.Module, steps: int) -> tuple[Tensor, Tensor]:
        parts = [
            wf.refine(critic, part, through, integrator=rule, steps=steps)
            for part in tqdm(z.split(100), desc="refining", unit="batch", leave=False)
        ]
        return torch.cat([part.particles for part in parts]), torch.cat([part.samples for part in parts])

    @torch.no_grad()
    def made(z: Tensor, by: nn.Module) -> Tensor:
        return torch.cat([by(part) for part in z.split(100)])

    def row(name: str, evaluations: int, images: Tensor) -> tuple[str, int, float, str]:
        distance = float(frechet_distance(FeatureMoments.of(extract_features(features, images)), reference))
        return name, evaluations, distance, f"{100 * (distance / unrefined - 1):+.1f} %" if unrefined else "–"

    fresh, unrefined = pair.prior.sample(options.n, seed=subseed(options.seed, "measured")), 0.0
    rows = [row("unrefined", 0, made(fresh, generator))]
    unrefined = rows[0][2]
    rows += [row("flow", steps, refined(fresh, generator, steps)[1]) for steps in options.steps]
    z = pair.prior.sample(max(options.pairs), seed=options.seed)
    ends, samples = refined(z, generator, steps=25)
    for count in options.pairs:
        with torch.random.fork_rng():
            torch.manual_seed(options.seed)
            size, width = z.shape[1], options.width
            layers = [nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, size)]
        flow = wf.training.amortise(nn.Sequential(*layers), z[:count], ends[:count], steps=options.updates)
        with torch.no_grad():
            moved = flow(fresh)
        name = f"latents learnt from {count} pairs, explains {100 * flow.explained:.1f} %"
        rows.append(row(name, 0, made(moved, generator)))
        taught = wf.zoo.load(teacher).model.features
        better = wf.training.distil(pair.generator, z[:count], samples[:count], taught, steps=options.distilled)
        (fast,) = wf.prepare(better.generator, precision=torch.bfloat16)
        name = f"generator learnt from {count} pairs, explains {100 * better.explained:.1f} %"
        rows.append(row(name, 0, made(fresh, fast)))
        rows += [row("  and a flow", steps, refined(fresh, fast, steps)[1]) for steps in options.steps]
    print(format_table(["", "gradient evaluations", "Fréchet distance", "change"], rows))


if __name__ == "__main__":
    main()
