"""`wasserflow reproduce vq`: discrete latents after the warm-up, after the fine-tune and without the penalty."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from wasserflow.checks import require_counts
from wasserflow.cli.names.measures import classifier_of
from wasserflow.data.captions import CIFAR10_NAMES
from wasserflow.data.images import cifar10, to_float
from wasserflow.integrators import EulerMaruyama, State
from wasserflow.integrators.schedule import step_size_at
from wasserflow.methods import vq_inference
from wasserflow.models import VQDecoder, zoo
from wasserflow.potentials import ClassLogProbability
from wasserflow.potentials.clip import ClipLogProbability, TextImageEncoder
from wasserflow.reports import RunRecord, format_table, image_grid, prepare_out_dir, side_by_side
from wasserflow.spaces import Codebook

StartName = Literal["encoded", "random"]
ClassName = Literal["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLASSES: tuple[ClassName, ...] = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def reproduce_vq(
    out: Path = Path("runs/reproduce-vq"),
    model: str = "cifar10-vq",
    guide: str = "cifar10-clip",
    judge: str = "cifar10-resnet",
    asked: ClassName = "dog",
    start: StartName = "encoded",
    n: int = 8,
    step_size: float = 0.5,
    penalty: float = 0.3,
    steps: int = 40,
    steps_per_code: int = 2,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Show figure 5 of Zhou et al. on CIFAR-10: after the warm-up, after the fine-tune, and without the penalty.

    Leaves table.json, run.json and stages.png in --out. The start is held-out images through the encoder, or random
    codes; a prior over codes, which would start from plausible images, is no part of this.

    Args:
        out: A new folder for the results.
        model: The autoencoder: a shipped model, or a folder that `wasserflow train vq` wrote.
        guide: What gives log p(asked | image): a CLIP model, which is given "a photo of ..." with the other classes as
            rivals, or a classifier.
        judge: The classifier that names the class of the results. Where it is also the guide, it is no witness.
        asked: The class to be made.
        start: Test images of other classes, or random codes.
        n: How many images.
        step_size: Of both stages, in units of latents² per nat.
        penalty: Weight of the squared distance to the codes.
        steps: Of the warm-up.
        steps_per_code: Of the fine-tune.
        seed: Draws random codes.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    require_counts(n=n, steps=steps, steps_per_code=steps_per_code)
    step_size_at(step_size, step=0)
    if not 0 <= penalty < float("inf"):
        raise ValueError(f"penalty is {penalty}; give a number of 0 or more")
    label = CLASSES.index(asked)
    vq, likelihood, classifier = _network(model), _likelihood(guide, label), classifier_of(zoo.load(judge))
    codebook, decoder = _codebook(vq, model), VQDecoder(vq)
    z0 = _encoded(vq, label, n) if start == "encoded" else codebook.sample(n, seed=seed)
    settings = {"model": model, "guide": guide, "judge": judge, "asked": asked, "start": start, "n": n}
    numbers = {"step_size": step_size, "penalty": penalty, "steps": steps, "steps_per_code": steps_per_code}
    prepare_out_dir(out, overwrite)
    with RunRecord(out, {**settings, **numbers}, seeds=seed) as record:
        runs = _stages(z0, decoder, likelihood, codebook, numbers, seed, progress)
        rows = [_row(name, z, decoder, likelihood, classifier, codebook, label) for name, z in runs.items()]
        spacing = _spacing(codebook.codes)
        evaluations = n * (2 * steps + steps_per_code * z0[0, 0].numel())
        table = {**settings, **numbers, "seed": seed, "spacing_of_codes": spacing, "rows": rows}
        (out / "table.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        record.update(metrics=rows, evaluations=evaluations, spacing_of_codes=spacing)
        print(_printed(rows, asked))
        print(f"a code's nearest other code is {spacing:.3f} away (mean); {n} images, start: {start}, guide: {guide}")
        with torch.no_grad():
            grids = [image_grid(decoder(z), columns=min(n, 4)) for z in runs.values()]
        side_by_side(grids, list(runs)).save(out / "stages.png")
        print(f"open {out / 'stages.png'}")


def _likelihood(guide: str, label: int) -> nn.Module:
    network = _network(guide)
    if isinstance(network, TextImageEncoder):
        prompts = [f"a photo of {names[0]}" for names in CIFAR10_NAMES]
        return ClipLogProbability(network, prompts.pop(label), against=prompts)
    return ClassLogProbability(classifier_of(zoo.load(guide)), label)


def _network(name: str) -> Any:
    return zoo.load(name).networks.get("model")


def _codebook(vq: Any, model: str) -> Codebook:
    try:
        codebook = Codebook(vq)
    except TypeError as error:
        raise ValueError(f"{model} has no codes ({error}); give a model that `wasserflow train vq` wrote") from error
    with torch.no_grad():
        size = vq.encode(torch.zeros(1, 3, 32, 32)).latents.shape[2:]
    return Codebook(codebook.vq, shape=tuple(size))


@torch.no_grad()
def _encoded(vq: Any, label: int, n: int) -> Tensor:
    """The latents of the first test images of other classes, at their codes."""
    test = cifar10("test")
    images = to_float(test.images[test.labels != label][:n])
    return Codebook(vq).quantise(vq.encode(images).latents)


def _stages(
    z0: Tensor,
    decoder: VQDecoder,
    likelihood: nn.Module,
    codebook: Codebook,
    numbers: dict[str, Any],
    seed: int,
    progress: bool,
) -> dict[str, Tensor]:
    """Name the latents of each stage."""
    steps, per_code = numbers["steps"], numbers["steps_per_code"]
    warm: list[Tensor] = []
    with tqdm(total=2 * steps + per_code * z0[0, 0].numel(), desc="flow", unit="step", disable=not progress) as bar:

        def watch(state: State) -> None:
            bar.update()
            if state.step == steps:
                warm.append(state.x)

        run = partial(
            vq_inference,
            decoder,
            z0,
            log_likelihood=likelihood,
            codebook=codebook,
            integrator=EulerMaruyama(numbers["step_size"]),
            steps=steps,
            seed=seed,
            watch=watch,
        )
        fine = run(penalty=numbers["penalty"], steps_per_code=per_code).particles
        free = run(penalty=0.0, steps_per_code=0).particles
    return {
        "start": z0,
        "(a) warm-up": warm[0],
        "(b) fine-tune": fine,
        "(c) no penalty": free,
        "no penalty, snapped": codebook.quantise(free),
    }


@torch.no_grad()
def _row(
    name: str,
    z: Tensor,
    decoder: VQDecoder,
    likelihood: nn.Module,
    classifier: nn.Module,
    codebook: Codebook,
    label: int,
) -> dict[str, Any]:
    """Measure a stage."""
    images = decoder(z)
    named = classifier(images).argmax(dim=1)
    return {
        "stage": name,
        "distance_to_codebook": float(codebook.distance(z).mean()),
        "log_likelihood": float(likelihood(images).mean()),
        "named_as_asked_percent": 100 * float((named == label).double().mean()),
    }


def _spacing(codes: Tensor) -> float:
    gaps = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
    return float(gaps.amin(dim=1).mean())


def _printed(rows: list[dict[str, Any]], asked: str) -> str:
    header = ["stage", "distance to the codebook", f"log p({asked} | image)", f"named {asked}, %"]
    cells = [
        [row["stage"], *(f"{row[key]:.3f}" for key in list(row)[1:3]), f"{row['named_as_asked_percent']:.0f}"]
        for row in rows
    ]
    return format_table(header, cells)
