"""`wasserflow reproduce text`: Table 5 of DGflow, a character-level GAN."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from wasserflow.cli.names.pairs import pair_named
from wasserflow.cli.names.texts import TextMeasure
from wasserflow.cli.reproduce.text_table import BASE, METRICS, STEP_SIZE, STEPS, Row, Writer, printed, summary, table_5
from wasserflow.cli.running.finished import Finished, Task, resumable
from wasserflow.data.text import Alphabet
from wasserflow.reports import RunRecord, check_out_dir, format_table, prepare_out_dir, sets_told

_SHOWN = 20


def reproduce_text(
    out: Path = Path("runs/reproduce-text"),
    model: str = "billion-words-gan",
    n: int = 10_000,
    seeds: int = 3,
    seed: int = 0,
    step_size: float | None = None,
    steps: int | None = None,
    split: Literal["test", "validation"] = "test",
    precision: Literal["float32", "bfloat16"] = "float32",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> None:
    """Print table 5 of Ansari et al. (DGflow), n-gram divergences of strings, the paper's numbers beside ours.

    Every divergence is run at the published settings (50 updates of 0.1) and at those of the model's card. Leaves
    table.json, run.json, before_after.txt and, for --resume, the finished rows (finished.json) in --out.

    Args:
        out: A new folder for the results.
        model: The pair: a shipped model, or a folder that `wasserflow train text-gan` wrote.
        n: Strings a row and seed.
        seeds: How many sets of latents.
        seed: Of the first set of latents; the next ones follow it.
        step_size: Of the rows that are not at the published settings; from the card, if left out.
        steps: Updates in those rows; from the card, if left out.
        split: What to measure against: test text, or the validation text that settings are chosen on.
        precision: Of matrix products and convolutions; bfloat16 is faster where the hardware has it, and inexact.
        resume: Go on with what an interrupted run left in --out.
        overwrite: Replace an earlier run in --out.
        progress: Show a progress bar.
    """
    if n < 1 or seeds < 1:
        raise ValueError(f"n is {n} and seeds {seeds}; give at least 1 string and 1 seed")
    check_out_dir(out, overwrite, resume)
    pair = pair_named(model)
    writer = Writer(pair, n, torch.bfloat16 if precision == "bfloat16" else None)
    measure = TextMeasure(pair.card.data, Alphabet(pair.card.alphabet), split)
    step_size = pair.card.refine.get("step_size", STEP_SIZE) if step_size is None else step_size
    steps = pair.card.refine.get("steps", STEPS) if steps is None else steps
    common = {"model": model, "n": n, "split": split, "precision": precision}
    config = {**common, "seeds": seeds, "step_size": step_size, "steps": steps}
    rows = table_5(step_size, steps)
    prepare_out_dir(out, overwrite, resume)
    finished = Finished(out / "finished.json", common)
    span = range(seed, seed + seeds)
    tasks = [Task(s, row.label, partial(_result, row, s, writer, measure)) for s in span for row in rows]
    with RunRecord(out, config, seeds=list(span)) as record, resumable(lambda: f"{len(finished)} rows are finished"):
        finished.run(tasks, record, "text", progress)
        _report(out, rows, span, finished, config, record)


def _result(row: Row, seed: int, writer: Writer, measure: TextMeasure) -> dict[str, Any]:
    strings = writer.strings(row.options, seed)
    return {**measure(strings), "strings": strings[:_SHOWN].tolist()}


def _report(
    out: Path,
    rows: Sequence[Row],
    seeds: Sequence[int],
    finished: Finished,
    config: Mapping[str, Any],
    record: RunRecord,
) -> None:
    results = {row.label: [finished.find(seed, row.label) for seed in seeds] for row in rows}
    table = summary(rows, results)
    evaluations = sum(config["n"] * row.options.steps * len(seeds) for row in rows if row.options)
    reference = results[BASE.label][0]["reference"]
    content = {**config, "reference": reference, "evaluations": evaluations, "rows": table}
    (out / "table.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    record.update(metrics=table, evaluations=evaluations)
    shown = [BASE, *rows[-3:]]
    strings = np.array([results[row.label][0]["strings"] for row in shown]).T.tolist()
    (out / "before_after.txt").write_text(format_table([row.label for row in shown], strings) + "\n", encoding="utf-8")
    print(printed(table))
    print(
        f"ours: {' and '.join(f'JS-{metric[2:]}' for metric in METRICS)} in bits, "
        f"{sets_told(config['seeds'], config['n'], 'strings')}, against {reference}\n"
        "paper: a wider network, trained for longer and measured on more of Billion Words: compare the changes, not "
        "the numbers"
    )
    print(f"open {out / 'before_after.txt'}")
