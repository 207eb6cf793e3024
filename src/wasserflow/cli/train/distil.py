"""`wasserflow train distil`: a generator that makes refined samples by itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wasserflow.checks import require_counts
from wasserflow.cli.names.arrays import to_float_images
from wasserflow.cli.names.judges import load_classifier
from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.running.collected import Collected
from wasserflow.cli.running.streaming import SAMPLES_NAME, stored
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import read_record
from wasserflow.seeds import sample_seeds
from wasserflow.training.distilled import train_distilled
from wasserflow.training.run import check_run_folder

# Of numbers as they are stored, pixels or coordinates: devices and precisions differ a little.
_CLOSE = {np.dtype(np.uint8): 16.0, np.dtype(np.float32): 0.05}


def train_distil(out: Path, refined: Path, features: str | None = None, resume: bool = False, **settings: Any) -> None:
    """Teach a copy of a generator to make refined samples in one evaluation, from a run of `wasserflow refine`.

    Thousands of samples are needed, the more the better. What was refined at random is averaged: refine with
    `--temperature 0`. The critic is left as it was; it still leads the new generator's samples, for fewer steps.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        refined: The folder of the run, whose samples are learnt.
        features: The classifier in whose features images are compared, a shipped model or a folder; take another one
            than the one you measure with. Points are compared as they are.
        resume: Go on with what a stopped training left in --out.
        settings: Of the trainer.
    """
    check_run_folder(out, resume)
    record = _record(refined)
    model, drawn = record["config"]["model"], record["seeds"]
    pair = generator_named(model)
    assert pair.prior is not None
    kept = Collected(record["config"]["n"])
    kept.restore(refined / SAMPLES_NAME)
    arrays = kept.arrays()
    if not {"before", "after"} <= set(arrays):
        raise ValueError(f"{refined} holds {', '.join(arrays)}; give the folder of a run of `wasserflow refine`")
    before, after = arrays["before"], arrays["after"]
    z = pair.prior.sample(len(after), seed=sample_seeds(drawn, len(kept.done))[kept.done])
    _require_made(pair, z, before, refined)
    goal, seen = _compared(after, features)
    made = train_distilled(pair.generator, z, goal, seen, out, resume=resume, **settings)
    share = f"{100 * made.explained:.1f} % of the squared moves of held-out samples by itself"
    print(f"it makes {share} (100: all of the refinement, 0: as the generator before)")
    if made.explained <= 0:
        warnings.warn(
            f"it is no better than the generator before: give more samples than {len(z)} (refine --n), or fewer "
            "--iterations",
            stacklevel=2,
        )
    save_trained(
        out,
        summary=f"{pair.card.summary}; the generator distilled from refined samples",
        data=pair.card.data,
        training=f"model: {pair.card.command} ({pair.card.training}); refined: {record['command']}; "
        f"then distilled: {told(settings, features=features)}",
        networks=pair.card.networks,
        trained={**pair.networks, "generator": made.generator},
        prior=pair.card.prior,
        refine=_fewer_steps(pair.card.refine),
        metrics={"squared moves of held-out samples, %": round(100 * made.explained, 1)},
        limits=f"it was taught by {len(z)} samples of --seed {drawn}: measure others; the critic was learnt "
        "with the generator before, so the steps are a fifth of what they were; before you take more (--steps), "
        "refit it by `wasserflow train critic`",
    )
    print(f"it has learnt {len(z)} samples of --seed {drawn}: give another seed to measure it")


def _fewer_steps(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of 25 steps for which the critic was chosen 5 were best on CIFAR-10, 25 worse than 3 (docs/measured.md)."""
    return {**settings, "steps": max(1, settings["steps"] // 5)} if "steps" in settings else dict(settings)


def _record(refined: Path) -> dict[str, Any]:
    """The record of a run of `wasserflow refine`."""
    try:
        record = read_record(refined)
        record["config"]["model"], record["config"]["method"], record["command"], int(record["seeds"])
        require_counts(n=record["config"]["n"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{refined} holds no record of a refinement; give the folder of a run of `wasserflow refine`"
        ) from error
    return record


def _require_made(pair: Pretrained, z: Tensor, before: np.ndarray, refined: Path) -> None:
    """Refuse samples that are not the generator's of these latents."""
    some = torch.linspace(0, len(z) - 1, min(len(z), 16)).long()
    with torch.no_grad():
        made = stored(pair.generator(z[some]))
    kept = before[some.numpy()]
    if made.shape != kept.shape or made.dtype != kept.dtype:
        raise ValueError(f"{refined} holds samples {kept.dtype} {kept.shape[1:]}; they cannot be learnt")
    if np.abs(made.astype(float) - kept).mean() > _CLOSE[made.dtype]:
        raise ValueError(
            f"{refined} holds other samples than {pair.card.name} makes of its seeds; give a run that was finished, of "
            "the model as it is now"
        )


def _compared(after: np.ndarray, features: str | None) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Refined samples as floats, and what of them is compared."""
    if after.dtype != np.uint8:
        if features is not None:
            raise ValueError(f"features is {features}, and points are compared as they are; leave --features out")
        return torch.from_numpy(after), nn.Identity()
    images = to_float_images(after)
    if features is None:
        raise ValueError("features is left out; give --features, a classifier of such images, such as cifar10-robust")
    network: Any = load_classifier(features, "features", images[:2])[0]
    return images, network.features
