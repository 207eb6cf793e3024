"""`python -m benchmarks.refreshed`: a ratio that is kept against one that follows, as 2-D points flow."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from tqdm import tqdm

import wasserflow as wf
from wasserflow.data.toy import Gaussians25, SwissRoll
from wasserflow.metrics.toy import high_quality_fraction, wasserstein2
from wasserflow.reports import format_table
from wasserflow.seeds import subseed

DATA = {"25gaussians": Gaussians25(), "swissroll": SwissRoll()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refreshed", description=__doc__)
    parser.add_argument("--model", choices=DATA, default="25gaussians")
    parser.add_argument("--n", type=int, default=2000, help="points that move, and that they are measured against")
    parser.add_argument("--steps", type=int, nargs="+", default=[25, 50, 100, 200, 400])
    parser.add_argument("--every", type=int, default=10, help="steps between two refreshes")
    parser.add_argument("--updates", type=int, default=100, help="of the network at a refresh")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data, pair = DATA[options.model], wf.zoo.load(options.model)
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for seed in range(options.seeds):
        with torch.no_grad():
            x0 = pair.generator(pair.prior.sample(options.n, seed=seed))
        real, judge = (data.sample(options.n, seed=subseed(seed, purpose)) for purpose in ("refresh", "judge"))

        def measure(name: str, step: int, x: Tensor, judge: Tensor = judge) -> None:
            good = high_quality_fraction(x, data.means, data.std) if isinstance(data, Gaussians25) else float("nan")
            found.setdefault((name, step), []).append((wasserstein2(x, judge), 100 * good))

        def watched(name: str, state: wf.State) -> None:
            bar.update()
            if state.step in options.steps:
                measure(name, state.step, state.x)

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            fresh = wf.models.mlp_ratio(width=128)
        first = wf.training.SmoothRefit(real, updates=1500)(fresh, x0)
        refit = wf.training.SmoothRefit(real, updates=options.updates)
        measure("before", 0, x0)
        measure("as many other real points", 0, real)
        last = max(options.steps)
        with tqdm(total=3 * last, desc=f"seed {seed}", unit="step") as bar:
            rule = wf.EulerMaruyama(step_size=0.01, temperature=0.01)
            flow = {"integrator": rule, "steps": last, "seed": seed}
            wf.refine(pair.critic, x0, **flow, watch=lambda state: watched("the pair's critic", state))
            wf.refine(first, x0, **flow, watch=lambda state: watched("learnt, kept", state))
            follow = {"every": options.every, "watch": lambda state: watched("learnt, refreshed", state)}
            wf.methods.refreshed(first, x0, refit, **flow, **follow)
    rows = [
        (name, step, *(float(torch.tensor(column).mean()) for column in zip(*scores, strict=True)))
        for (name, step), scores in sorted(found.items())
    ]
    print(format_table(["ratio", "steps", "W2", "high quality %"], rows))


if __name__ == "__main__":
    main()
