"""`wasserflow generate`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from wasserflow.checks import require_counts
from wasserflow.cli.generate.conditioning import Conditioning, conditioning
from wasserflow.cli.generate.copies import read_neighbours
from wasserflow.cli.generate.interpolation import read_interpolation
from wasserflow.cli.names.judges import Judge, judged
from wasserflow.cli.names.measures import POINTS
from wasserflow.cli.running.collected import Batch, Collected
from wasserflow.cli.running.earlier import restore
from wasserflow.cli.running.pictures import Trajectory, save_generated_pictures, shown_of
from wasserflow.cli.running.processes import Processes
from wasserflow.cli.running.streaming import equal_groups, gather, leave_part, places_left, stored
from wasserflow.flow import Watch
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained
from wasserflow.models.weight_files import fingerprint
from wasserflow.reports import RunRecord, prepare_out_dir
from wasserflow.seeds import Noise, sample_seeds

if TYPE_CHECKING:
    from wasserflow.training.fdrl import FlowGuidedRatio


def generate(
    model: str,
    out: Path,
    n: int = 64,
    seed: int = 0,
    extra_steps: int = 20,
    batch_size: int = 100,
    label: int | list[int] | Literal["all"] | None = None,
    classifier: str | None = None,
    guidance: float | None = None,
    guided_steps: int | None = None,
    attempts: int = 20,
    certainty: float = 0.7,
    judge: str | None = None,
    interpolate: int = 0,
    neighbours: int = 0,
    features: str | None = None,
    devices: int = 1,
    num_nodes: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Draw samples from a flow-guided density ratio (FDRL), of all classes or of those asked for.

    Leaves samples.npz (array `samples`, and `labels` if asked for), grid.png, trajectory.gif and run.json in --out;
    interpolation.png and neighbours.png if asked for.

    Args:
        model: A shipped model (see `wasserflow zoo`), or a folder that `wasserflow train fdrl` wrote.
        out: A new folder for the results.
        n: How many samples.
        seed: Every sample has a stream of its own, so the first samples of a larger n are those of a smaller one.
        extra_steps: Steps of refinement after those of training.
        batch_size: Samples at a time, on which no sample depends.
        label: The class to generate, several as [3, 8] in turn, or all in turn.
        classifier: A classifier that leads there; one trained against adversarial changes, such as mnist-robust, has
            gradients that look like the class.
        guidance: Weight of the classifier in the flow; 0.1 as published. More leaves fewer samples to draw again, and
            makes them worse.
        guided_steps: For how many steps the classifier acts; those of training, so that the extra ones are free.
        attempts: Draw a sample again, so many times at most, until the classifier sees the class that was asked for.
        certainty: The probability of the class from which on it does.
        judge: Another classifier, to say how many samples carry the class that was asked for.
        interpolate: Draw paths of so many images between pairs of samples, along the source's law; 0 for none.
        neighbours: Draw so many nearest training images of the first samples, in pixels and in features, and compare
            the distances with those of held-out images, which are no copies; 0 for none.
        features: The classifier whose features neighbours are looked for in; cifar10-resnet or mnist-resnet.
        devices: Processes on a node.
        num_nodes: Nodes, which must share --out; start the command on each, with MASTER_ADDR, MASTER_PORT and
            NODE_RANK in its environment.
        overwrite: Replace an earlier run in --out.
        resume: Go on with what a stopped run left in --out, or with a finished one to a larger n.
        progress: Show a progress bar.
    """
    require_counts(n=n, batch_size=batch_size)
    require_counts(0, extra_steps=extra_steps)
    pretrained = zoo.load(model)
    ratio = _generator(pretrained, model)
    asked = conditioning(
        label, classifier, guidance, guided_steps, attempts, certainty, ratio.flow_steps, ratio.start(1)
    )
    if judge is not None and asked is None:
        raise ValueError(f"judge is {judge}, but no class is asked for; give --label and --classifier, or no judge")
    judged_by = None if judge is None else Judge(judge, ratio.start(1))
    paths = read_interpolation(ratio, n, interpolate, extra_steps, batch_size)
    near = read_neighbours(ratio, pretrained.card.data, neighbours, features)
    sampling = Sampling(ratio, extra_steps, batch_size, asked, sample_seeds(seed, n))
    config = {"model": model, "n": n, "extra_steps": extra_steps, "batch_size": batch_size, "steps": sampling.steps}
    config |= {"label": label, "classifier": classifier, "judge": judge}
    config |= {name: getattr(asked, name) for name in _OF_A_CLASS} if asked else {}
    config |= {"interpolate": interpolate, "neighbours": neighbours, "features": near.features if near else None}
    config |= {"devices": devices, "num_nodes": num_nodes}
    config |= {"fingerprint": fingerprint(ratio, *([asked.classifier] if asked else []))}
    processes = Processes(devices, num_nodes)
    first, collected, shown = processes.rank == 0, Collected(n), shown_of(n, pretrained.card.data in POINTS)
    if first:
        prepare_out_dir(out, overwrite, resume)
        if resume:
            restore(collected, out, config, seed, shown, _FREE)
    processes.launch()
    done = processes.told(collected.done)
    sampling.to(processes.device)
    share = processes.share(places_left(done, shown))
    if not first:
        leave_part(processes, sampling.batches(share), n, out, "generating")
        return
    with RunRecord(out, config, seeds=seed) as record:
        trajectory = Trajectory(None, sampling.steps, shown)
        batches = sampling.batches(share, trajectory)
        arrays = gather(processes, batches, collected, len(share), out, record, "generating", progress)
        if judged_by is not None:
            metrics = judged(arrays["samples"], arrays["labels"], judged_by)
            record.update(metrics=metrics)
            print(f"{metrics['asked_percent']:.1f} % carry the class that was asked for, says {judge}")
        pictures = _draw(out, sampling, arrays["samples"], trajectory, pretrained.card.data)
        print(f"{n} samples of {pretrained.card.name} after {sampling.steps} steps each")
        if paths:
            paths.save(out / "interpolation.png", ratio, sampling.seeds)
            pictures.append(out / "interpolation.png")
        if near:
            near.save(out / "neighbours.png", arrays["samples"], record)
            pictures.append(out / "neighbours.png")
        print("open " + ", ".join(str(path) for path in pictures))


# On these no sample depends; weights tell the networks better than names.
_FREE = (
    "model",
    "n",
    "batch_size",
    "classifier",
    "judge",
    "interpolate",
    "neighbours",
    "features",
    "devices",
    "num_nodes",
)
_OF_A_CLASS = ("guidance", "guided_steps", "attempts", "certainty")


@dataclass(frozen=True, eq=False)
class Sampling:
    """How samples are drawn.

    Args:
        ratio: the model.
        extra_steps: steps of refinement after those of training.
        batch_size: samples at a time.
        asked: the classes that samples are to carry; None for the data's own.
        seeds: of all samples.
    """

    ratio: FlowGuidedRatio[Any]
    extra_steps: int
    batch_size: int
    asked: Conditioning | None
    seeds: Int64[Tensor, " n"]

    @property
    def steps(self) -> int:
        """Steps of the flow."""
        return self.ratio.flow_steps + self.extra_steps

    def to(self, device: torch.device) -> None:
        """Move the networks."""
        self.ratio.to(device)
        if self.asked is not None:
            self.asked.classifier.to(device)

    def batches(self, places: Int64[Tensor, " share"], trajectory: Trajectory | None = None) -> Iterator[Batch]:
        """Draw one sample a place, and of its label, a batch at a time; the first ones are seen on their way."""
        labels = None if self.asked is None else self.asked.labels(len(self.seeds))
        for group in equal_groups(places, self.batch_size):
            seeds, own = self.seeds[group], None if labels is None else labels[group]
            watch = trajectory.of_batch(len(group)) if trajectory else None
            x, drawn = self._flow(seeds, own, watch), len(group)
            if self.asked is not None and own is not None:
                drawn += self._mend(x, seeds, own, self.asked)
            carried = {} if own is None else {"labels": own.numpy()}
            yield Batch(group.numpy(), {"samples": stored(x), **carried}, drawn * self.steps)

    def _flow(self, seeds: Tensor, labels: Tensor | None, watch: Watch | None = None) -> Tensor:
        options = self.asked.options(labels) if self.asked and labels is not None else {}
        x0 = self.ratio.start(len(seeds), seeds)
        return self.ratio.transport(x0, self.extra_steps, seeds, batch_size=len(seeds), watch=watch, **options)

    def _mend(self, x: Tensor, seeds: Tensor, labels: Tensor, asked: Conditioning) -> int:
        """Draw again, in place, what is not of its class; give how many draws it took."""
        drawn, missed = 0, asked.missed(x, labels)
        for attempt in range(1, asked.attempts):
            if not len(missed):
                break
            # Each attempt of a sample has a stream of its own, which its seed alone decides.
            again = Noise(seeds[missed.cpu()], attempt).integers()
            x[missed] = self._flow(again, labels[missed.cpu()])
            drawn += len(missed)
            missed = missed[asked.missed(x[missed], labels[missed.cpu()])]
        return drawn


def _draw(out: Path, sampling: Sampling, samples: np.ndarray, trajectory: Trajectory, data: str) -> list[Path]:
    shown = sampling.seeds[: len(trajectory.samples[0])]
    path = [sampling.ratio.start(len(shown), shown).cpu(), *trajectory.samples]
    behind = POINTS[data].sample(2_000, seed=1) if data in POINTS else None
    columns = len(sampling.asked.turn) if sampling.asked and len(sampling.asked.turn) > 1 else None
    return save_generated_pictures(out, samples, path, behind, columns, trajectory.every)


def _generator(pretrained: Pretrained, name: str) -> FlowGuidedRatio[Any]:
    ratio: Any = pretrained.networks.get("model")
    if not hasattr(ratio, "transport"):
        raise ValueError(f"{name} does not generate by a flow; give a model that `wasserflow train fdrl` wrote")
    if ratio.source is None:
        raise ValueError(f"{name} translates images that it is given; use `wasserflow translate`")
    return ratio
