"""`wasserflow reproduce text-guidance`: what repulsion does to images that a text steers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from wasserflow.cli.names.pairs import pair_named
from wasserflow.cli.reproduce.text_guidance_flows import (
    PROMPTS,
    REFERENCES,
    ROWS,
    Guidance,
    Judge,
    TextSteering,
    averaged,
    printed,
    steer,
)
from wasserflow.models import zoo
from wasserflow.models.clip import ClipEncoder
from wasserflow.reports import RunRecord, image_grid, prepare_out_dir, side_by_side

_SHOWN = 36


def reproduce_text_guidance(
    out: Path = Path("runs/reproduce-text-guidance"),
    model: str = "cifar10-sndcgan",
    clip: str = "cifar10-clip",
    judge: str = "cifar10-resnet",
    labels: Sequence[int] = (1, 4, 8),
    n: int = 200,
    steps: int = 6,
    likelihood: float = 0.5,
    repulsion: float = 1.0,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Steer an unconditional GAN by text, by CLIP alone and with repulsion (λ1), and compare at the same log p(c|x).

    Leaves table.json, run.json and a picture for each prompt in --out.

    The default weights were chosen on seed 1 and classes 0, 5 and 7. The critic's features and the number of steps
    were chosen after looking at seed 0 and the default classes, so of the seeds 0, 1 and 2 only 2 is untouched.

    Args:
        out: A new folder for the results.
        model: The generator: a shipped model, or a folder that `wasserflow train` wrote.
        clip: The CLIP model that steers.
        judge: The classifier of CIFAR-10 that measures.
        labels: The classes of CIFAR-10 that the prompts ask for, 0 (airplane) to 9 (truck).
        n: Samples a prompt and row.
        steps: Of the flow with repulsion; the flow of CLIP alone stops where its mean log p(c|x) is closest.
        likelihood: λ3, with the step size in it.
        repulsion: λ1, with the step size in it.
        seed: Draws the latents, the same for every prompt and row.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    if n < 10 or steps < 1 or not labels or not all(0 <= label < len(PROMPTS) for label in labels):
        raise ValueError(
            f"n is {n}, steps {steps}, labels {list(labels)}; give at least 10 samples, 1 step, and labels from 0 to 9"
        )
    guidance = Guidance(likelihood, repulsion, steps)
    steering = TextSteering(pair_named(model), _clip(clip), guidance, n, seed)
    judging = Judge(zoo.load(judge))
    prepare_out_dir(out, overwrite)
    config = {"model": model, "clip": clip, "judge": judge, "n": n, "seed": seed, **asdict(guidance)}
    table, evaluations, pictures = {}, 0, []
    with (
        RunRecord(out, config, seeds=seed) as record,
        tqdm(total=len(labels) * len(ROWS), desc="text guidance", unit="row", disable=not progress) as bar,
    ):
        for label in labels:
            steered = steer(steering, judging, label, done=bar.update)
            table[PROMPTS[label]] = steered.scores
            evaluations += steered.evaluations
            pictures.append(_save_picture(out, PROMPTS[label], steered.samples))
            record.update(metrics=table, evaluations=evaluations)
        table["mean"] = averaged(list(table.values()))
        record.update(metrics=table)
        (out / "table.json").write_text(json.dumps({**config, "rows": table}, indent=2) + "\n", encoding="utf-8")
    print(printed(table))
    print(
        f"{n} samples a row from the same latents, seed {seed}; log p(c|x) by {clip}, which steered; CLIP score: 100 "
        f"times the mean cosine; asked class and mean distance of pairs by {judge}, which did not steer; coverage of "
        f"{REFERENCES} test images of the class"
    )
    print("open " + ", ".join(map(str, pictures)))


def _clip(name: str) -> ClipEncoder:
    network = zoo.load(name).networks.get("model")
    if not isinstance(network, ClipEncoder):
        raise ValueError(f"{name} is no CLIP model; give one that `wasserflow train clip` wrote")
    return network


def _save_picture(out: Path, prompt: str, samples: dict[str, Tensor]) -> Path:
    path = out / f"{prompt.replace(' ', '-')}.png"
    grids = [image_grid(samples[row][:_SHOWN]) for row in ROWS]
    side_by_side(grids, list(ROWS)).save(path)
    return path
