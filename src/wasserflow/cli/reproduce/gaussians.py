"""`wasserflow reproduce 25gaussians`: Table 1 of DGflow, the paper's numbers beside ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from wasserflow.checks import require_counts
from wasserflow.cli.names.pairs import pair_named
from wasserflow.cli.reproduce.gaussians_figures import save_figures
from wasserflow.cli.reproduce.gaussians_table import KDE_POINTS, ROWS, W2_POINTS, Scores, printed, run_repeat, summary
from wasserflow.cli.running.finished import resumable
from wasserflow.models.pretrained import Pretrained
from wasserflow.reports import RunRecord, check_out_dir, prepare_out_dir, sets_told

_FIRST_SAMPLES = "samples.npz"
# The command on the shipped pair's card.
_SHIPPED_TRAINING: dict[str, Any] = {"width": 256, "penalty": 0.1, "seed": 0}


def reproduce_25gaussians(
    out: Path = Path("runs/reproduce-25gaussians"),
    model: str = "25gaussians",
    repeats: int = 10,
    n: int = 5_000,
    seed: int = 0,
    train: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Print Table 1 of DGflow (25 Gaussians), the paper's numbers beside ours.

    Leaves table.json, run.json, samples.png, velocity.png, latent_density.png, the samples of the first repeat
    (samples.npz) and the numbers of each repeat (repeats/) in --out.

    Args:
        out: A new folder for the results.
        model: The pair: a shipped model, or a folder that `wasserflow train` wrote.
        repeats: How often fresh samples are drawn, refined and measured.
        n: Samples a repeat.
        seed: Each repeat has streams of its own, so the first repeats of a longer run are those of a shorter one.
        train: Instead of loading --model, train a pair into --out/pair with the settings of the shipped one.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show progress bars.
    """
    require_counts(repeats=repeats)
    require_counts(2, n=n)  # DOT pairs the samples
    check_out_dir(out, overwrite, resume)
    settings = {"model": "trained here" if train else model, "n": n, "seed": seed}
    pair = None if train else pair_named(model, "25gaussians")
    prepare_out_dir(out, overwrite, resume)
    if overwrite:
        for folder in ("repeats", "pair") if train else ("repeats",):
            shutil.rmtree(out / folder, ignore_errors=True)
    _require_same(out, settings)
    config = {**settings, "repeats": repeats, "kde_points": KDE_POINTS, "w2_points": min(n, W2_POINTS)}
    with (
        RunRecord(out, config, seeds=seed) as record,
        resumable(lambda: f"{len(_kept(out))} of {repeats} repeats are finished"),
    ):
        pair = pair or pair_named(_trained(out / "pair", progress), "25gaussians")
        scores = _run_repeats(out, pair, settings, repeats, record, progress)
        table = summary(scores)
        config["training"] = pair.card.training
        record.update(metrics=table, training=pair.card.training)
        (out / "table.json").write_text(json.dumps({**config, "rows": table}, indent=2) + "\n", encoding="utf-8")
        print(printed(table))
        print(
            f"{sets_told(repeats, n)}; KDE score of {KDE_POINTS} training "
            f"points; exact W2 between {config['w2_points']} samples and as many fresh points of the data"
        )
        print(f"our pair is not the paper's: {pair.card.training}")
        pictures = save_figures(out, pair, _read_samples(out), scores[0], seed)
        print("open " + ", ".join(str(path) for path in pictures))


def _kept(out: Path) -> list[Path]:
    return list((out / "repeats").glob("*.json"))


def _require_same(out: Path, settings: Mapping[str, Any]) -> None:
    for path in _kept(out):
        if (earlier := _read(path)["settings"]) != settings:
            raise ValueError(f"{path} is of a run with {earlier}, not {dict(settings)}; choose another --out")


def _trained(folder: Path, progress: bool) -> str:
    """Train a pair, or go on with its training; give the folder to load it from."""
    # It brings Lightning with it, which takes seconds to import.
    from wasserflow.cli.train.wgan_gp import train_wgan_gp

    if not (folder / "model").is_dir():
        resume = (folder / "last.ckpt").is_file()
        train_wgan_gp(folder, "25gaussians", **_SHIPPED_TRAINING, resume=resume, progress=progress)
    return str(folder / "model")


def _run_repeats(
    out: Path, pair: Pretrained, settings: Mapping[str, Any], repeats: int, record: RunRecord, progress: bool
) -> list[dict[str, Scores]]:
    """Measure each repeat, or read what an earlier run measured; each is written as soon as it is finished."""
    (out / "repeats").mkdir(exist_ok=True)
    finished: list[dict[str, Any]] = []
    with tqdm(total=repeats * len(ROWS), desc="25 Gaussians", unit="row", disable=not progress) as bar:
        for number in range(repeats):
            path = out / "repeats" / f"{number}.json"
            if path.is_file():
                bar.update(len(ROWS))
            else:
                repeat = run_repeat(pair, settings["n"], settings["seed"], number, done=lambda label: bar.update())
                if number == 0:
                    _write_samples(out, repeat.samples)
                content = {"settings": settings, "evaluations": repeat.evaluations, "scores": repeat.scores}
                _write(path, json.dumps(content, indent=2) + "\n")
            finished.append(_read(path))
            evaluations = sum(one["evaluations"] for one in finished)
            record.update(finished=len(finished), evaluations=evaluations)
    return [one["scores"] for one in finished]


def _write(path: Path, text: str) -> None:
    """In one stroke: an interrupted run must not leave half a file."""
    part = path.with_name(f".{path.name}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: content[name] for name in ("settings", "evaluations", "scores")}
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a finished repeat ({error}); remove it, and it is measured again") from error


def _write_samples(out: Path, samples: Mapping[str, Tensor]) -> None:
    arrays: dict[str, Any] = {label: cloud.numpy() for label, cloud in samples.items()}
    np.savez(out / _FIRST_SAMPLES, **arrays)


def _read_samples(out: Path) -> dict[str, Tensor]:
    with np.load(out / _FIRST_SAMPLES) as arrays:
        return {label: torch.from_numpy(arrays[label]) for label in arrays.files}
