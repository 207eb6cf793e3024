"""`wasserflow translate`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.cli.generate.conditioning import Conditioning, conditioning
from wasserflow.cli.generate.translation_report import TranslationReport, kept_of_source, printed
from wasserflow.cli.names.images import ImagesName, images_of
from wasserflow.cli.names.judges import Judge
from wasserflow.cli.running.collected import Batch, Collected
from wasserflow.cli.running.earlier import restore
from wasserflow.cli.running.pictures import Trajectory, save_comparison, save_pictures, shown_of
from wasserflow.cli.running.processes import Processes
from wasserflow.cli.running.streaming import equal_groups, gather, places_left, stored
from wasserflow.data.images import Split, to_float
from wasserflow.models import zoo
from wasserflow.models.pretrained import Card
from wasserflow.models.weight_files import fingerprint
from wasserflow.reports import RunRecord, prepare_out_dir
from wasserflow.seeds import sample_seeds

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio

# On these no image depends; weights tell the networks better than names.
_FREE = ("model", "n", "batch_size", "classifier", "judge")


def translate(
    model: str,
    out: Path,
    data: ImagesName | None = None,
    split: Split = "test",
    source_class: int | None = None,
    target_class: int | None = None,
    n: int = 64,
    seed: int = 0,
    extra_steps: int | None = None,
    classifier: str | None = None,
    guidance: float | None = None,
    guided_steps: int | None = None,
    batch_size: int = 100,
    judge: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Translate images of one class to another, by a flow-guided density ratio (FDRL) trained between the two.

    Leaves before.png, after.png, side_by_side.png, trajectory.gif, samples.npz (arrays `before` and `after`) and
    run.json in --out.

    Args:
        model: A shipped model (see `wasserflow zoo`), or a folder that `wasserflow train fdrl` wrote with two classes.
        out: A new folder for the results.
        data: Where the images come from; what the model was trained on, if left out.
        split: Of the data: train, validation or test.
        source_class: The class of the images to translate; the one of the training, if left out.
        target_class: The class that the judge looks for; the one of the training, if left out.
        n: How many images, the first ones.
        seed: Every image has a stream of its own, so the first images of a larger n end as those of a smaller one.
        extra_steps: Steps of refinement after those of training; a tenth of those if left out, as published.
        classifier: Also leads the flow to the target class; one trained against attacks knows where that is, such as
            cifar10-robust or mnist-robust.
        guidance: The weight of the classifier's log-ratio; 0.1 if left out, as published for classes asked of noise.
        guided_steps: How long it acts; the steps of training if left out.
        batch_size: Images at a time, on which no result depends.
        judge: A classifier that had no part in the training or the flow; it measures the translation.
        overwrite: Replace an earlier run in --out.
        resume: Go on with what a stopped run left in --out, or with a finished one to a larger n.
        progress: Show a progress bar.
    """
    require_counts(1 + bool(judge), n=n)
    require_counts(batch_size=batch_size)
    require_counts(0, extra_steps=extra_steps or 0)
    pretrained = zoo.load(model)
    ratio: Any = pretrained.networks.get("model")
    if not hasattr(ratio, "transport"):
        raise ValueError(f"{model} does not translate by a flow; give a model that `wasserflow train fdrl` wrote")
    extra_steps = ratio.flow_steps // 10 if extra_steps is None else extra_steps
    data = data or _data_of(pretrained.card)
    source = _class_of(pretrained.card, "source_class", source_class)
    target = _class_of(pretrained.card, "target_class", target_class)
    images = images_of(data, split)
    x0, held_out = _first(n, images.of_class(source), source), images.of_class(target)
    _require_fit(ratio, x0)
    label = None if classifier is None else target
    led = conditioning(
        label,
        classifier,
        guidance,
        guided_steps,
        attempts=1,
        certainty=0.0,
        flow_steps=ratio.flow_steps,
        example=x0[:1],
    )
    if led is None and (guidance, guided_steps) != (None, None):
        raise ValueError(
            f"guidance is {guidance} and guided_steps is {guided_steps}, but no classifier leads; give one"
        )
    report = TranslationReport(Judge(judge, x0[:1]), held_out, target) if judge else kept_of_source
    steps = ratio.flow_steps + extra_steps
    config = {"model": model, "data": data, "split": split, "source_class": source, "target_class": target}
    config |= {"n": n, "extra_steps": extra_steps, "batch_size": batch_size, "steps": steps, "judge": judge}
    if led is not None:
        config |= {"classifier": classifier, "guidance": led.guidance, "guided_steps": led.guided_steps}
    config |= {"fingerprint": fingerprint(ratio, *([led.classifier] if led else []))}
    collected, shown = Collected(n), shown_of(n, points=False)
    prepare_out_dir(out, overwrite, resume)
    if resume:
        restore(collected, out, config, seed, shown, _FREE)
    processes = Processes(1, 1)
    ratio = ratio.to(processes.device)
    with RunRecord(out, config, seeds=seed) as record:
        trajectory = Trajectory(None, steps, shown)
        left = places_left(collected.done, shown)
        groups = equal_groups(left, batch_size)
        batches = _batches(ratio, x0, sample_seeds(seed, n), groups, extra_steps, led, trajectory)
        arrays = gather(processes, batches, collected, len(left), out, record, "translating", progress)
        before, after = arrays["before"], arrays["after"]
        metrics = report(before, after)
        record.update(metrics=metrics, reference=f"{len(held_out)} images of class {target} of {data}, {split}")
        pictures = [
            *save_pictures(out, before, after, trajectory.samples, None, trajectory.every),
            save_comparison(out, before, after),
        ]
        print(printed(metrics, target))
        print(f"{n} images after {steps} steps each; reference: {len(held_out)} images of class {target}")
        print("open " + ", ".join(str(path) for path in pictures))


def _data_of(card: Card) -> ImagesName:
    names: tuple[ImagesName, ...] = get_args(ImagesName)
    for name in names:
        if name == card.data:
            return name
    raise ValueError(f"{card.name} was trained on {card.data}; give --data mnist or cifar10")


def _class_of(card: Card, name: str, given: int | None) -> int:
    chosen = card.translation.get(name) if given is None else given
    if chosen is None:
        raise ValueError(f"{card.name} was not trained to translate, so it has no {name}; give one")
    return chosen


def _first(n: int, images: Tensor, label: int) -> Tensor:
    if n > len(images):
        raise ValueError(f"n is {n}, but there are {len(images)} images of class {label}; give at most as many")
    return to_float(images[:n])


def _require_fit(ratio: FlowGuidedRatio[Any], images: Tensor) -> None:
    try:
        with torch.no_grad():
            ratio(images[:1])
    except RuntimeError as error:
        shape = tuple(images.shape[1:])
        raise ValueError(
            f"the model refused images of shape {shape}: {error}; give the --data of its training"
        ) from error


def _batches(
    ratio: FlowGuidedRatio[Any],
    images: Tensor,
    seeds: Tensor,
    groups: Sequence[Tensor],
    extra_steps: int,
    led: Conditioning | None,
    trajectory: Trajectory,
) -> Iterator[Batch]:
    """Translate one image a seed, the images at a group of places at a time; the first ones are seen on their way."""
    for places in groups:
        x0, count = images[places].to(ratio.device), len(places)
        options = led.options(led.labels(count)) if led else {}
        watch = trajectory.of_batch(count)
        moved = ratio.transport(x0, extra_steps, seeds[places], batch_size=count, watch=watch, **options)
        arrays = {"before": stored(x0), "after": stored(moved)}
        yield Batch(places.numpy(), arrays, count * (ratio.flow_steps + extra_steps))
