"""`--resume`: a run that was stopped and gone on with leaves what one leaves that never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import toy_ratio
from PIL import Image
from safetensors.torch import load_file, save_file
from stopping import stopped_after

from wasserflow.cli import main
from wasserflow.cli.running import pictures
from wasserflow.cli.running.collected import Batch, Collected


@pytest.fixture(autouse=True)
def few_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen on its way is made again; here two points are."""
    monkeypatch.setattr(pictures, "_SHOWN_POINTS", 2)


def run(*words: object) -> None:
    main([str(word) for word in words])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    return str(capsys.readouterr().err)


def results(out: Path) -> tuple[dict[str, np.ndarray], dict]:
    return dict(np.load(out / "samples.npz")), json.loads((out / "run.json").read_text())


def require_equal(one: Path, other: Path) -> None:
    """The same files, samples, evaluations and metrics."""
    (arrays, record), (expected, whole) = results(one), results(other)
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(arrays[name], array, atol=1e-5, err_msg=name)
    for name in ("status", "finished", "evaluations", "seeds"):
        assert record[name] == whole[name], name
    for part, numbers in (whole["metrics"] or {}).items():
        for name, number in numbers.items():
            same = pytest.approx(number, rel=1e-3) if isinstance(number, float) else number
            assert record["metrics"][part][name] == same, name
    assert {file.name for file in one.iterdir()} == {file.name for file in other.iterdir()}
    for file in ("before.png", "after.png", "grid.png", "trajectory.gif"):
        if (other / file).is_file():
            with Image.open(one / file) as mine, Image.open(other / file) as theirs:
                assert (mine.size, getattr(mine, "n_frames", 1)) == (theirs.size, getattr(theirs, "n_frames", 1))


def test_refined_samples_are_those_of_one_run(toy: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", toy, "--n", 10, "--batch-size", 3, "--temperature", 0.1, "--seed", 2)
    out = tmp_path / "run"
    stopped_after(4, *words, "--out", out)
    assert "go on with --resume" in capsys.readouterr().err
    arrays, record = results(out)
    assert (record["status"], record["finished"]) == ("interrupted", 6)
    assert arrays["places"].tolist() == [0, 1, 2, 3, 4, 5]
    run(*words, "--out", out, "--resume")
    assert "going on with 6 of 10 samples; 2 of them are made again, for the animation" in capsys.readouterr().err
    run(*words, "--out", tmp_path / "whole")
    require_equal(out, tmp_path / "whole")


def test_the_animation_is_that_of_one_run(toy: str, tmp_path: Path, monkeypatch) -> None:
    """However its samples are put in batches, also where others are in the last of these."""
    monkeypatch.setattr(pictures, "_SHOWN_POINTS", 7)
    words = ("refine", "--model", toy, "--n", 12)
    run(*words, "--out", tmp_path / "whole")
    stopped_after(4, *words, "--batch-size", 2, "--out", tmp_path / "run")
    run(*words, "--batch-size", 5, "--out", tmp_path / "run", "--resume")
    with (
        Image.open(tmp_path / "run" / "trajectory.gif") as mine,
        Image.open(tmp_path / "whole" / "trajectory.gif") as it,
    ):
        for frame in range(it.n_frames):
            mine.seek(frame), it.seek(frame)
            assert mine.convert("RGB").tobytes() == it.convert("RGB").tobytes()


def test_nothing_is_made_again_but_what_is_shown(toy: str, tmp_path: Path, monkeypatch) -> None:
    words = ("refine", "--model", toy, "--n", 10, "--batch-size", 2, "--out", tmp_path / "run")
    stopped_after(6, *words)
    made: list[int] = []
    finish = Collected.add

    def watched(self: Collected, batch: Batch) -> None:
        made.extend(batch.places.tolist())
        finish(self, batch)

    monkeypatch.setattr(Collected, "add", watched)
    run(*words, "--resume")
    assert made == [0, 1, 6, 7, 8, 9]
    made.clear()
    run(*words, "--resume")
    assert made == [0, 1]
    assert results(tmp_path / "run")[1]["evaluations"] == 10 * 3


def test_a_finished_run_grows(toy: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", toy, "--method", "ddls", "--steps", 4)
    run(*words, "--n", 5, "--out", tmp_path / "run")
    run(*words, "--n", 12, "--batch-size", 4, "--out", tmp_path / "run", "--resume")
    run(*words, "--n", 12, "--out", tmp_path / "whole")
    require_equal(tmp_path / "run", tmp_path / "whole")
    said = refused(capsys, *words, "--n", 11, "--out", tmp_path / "run", "--resume")
    assert "has 12 samples and n is 11; give as many, or more" in said


def test_what_killed_processes_left_is_used(toy: str, tmp_path: Path) -> None:
    words = ("refine", "--model", toy, "--n", 9, "--batch-size", 3)
    run(*words, "--out", tmp_path / "whole")
    expected, _ = results(tmp_path / "whole")
    out = tmp_path / "run"
    stopped_after(3, *words, "--out", out)
    part = Collected(9)
    places = np.array([6, 8])
    rows = {name: expected[name][places] for name in ("before", "after", "steps")}
    # Were they made again, they would not be these.
    rows["after"] = rows["after"] + 100
    part.add(Batch(places, rows, 6))
    part.save(out / "part-1.npz")
    run(*words, "--out", out, "--resume")
    arrays, record = results(out)
    moved = np.abs(arrays["after"] - expected["after"]).max(axis=1) > 50
    assert moved.tolist() == [place in (6, 8) for place in range(9)]
    assert not list(out.glob("*part*"))
    assert (record["finished"], record["evaluations"]) == (9, 9 * 3)


def test_groups_of_gmi_are_those_of_one_run(toy: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", toy, "--method", "gmi", "--n", 8, "--batch-size", 3, "--references", 50)
    words = (*words, "--real", "25gaussians", "--steps", 2, "--weights", "[0.2,0.3,0.1]")
    stopped_after(5, *words, "--out", tmp_path / "run")
    assert "batch_size 3, not 4" in refused(
        capsys, *words[:7], "--batch-size", 4, *words[9:], "--out", tmp_path / "run", "--resume"
    )
    run(*words, "--out", tmp_path / "run", "--resume")
    run(*words, "--out", tmp_path / "whole")
    require_equal(tmp_path / "run", tmp_path / "whole")


def test_generated_samples_are_those_of_one_run(tmp_path: Path) -> None:
    words = ("generate", "--model", toy_ratio(tmp_path / "ratio"), "--n", 11, "--batch-size", 4, "--extra-steps", 2)
    stopped_after(7, *words, "--out", tmp_path / "run")
    run(*words, "--out", tmp_path / "run", "--resume")
    run(*words, "--out", tmp_path / "whole")
    require_equal(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("--steps", 4), "a run of steps 3, not 4 ("),
        (("--seed", 5), "a run of seed 0, not 5"),
        (("--precision", "bfloat16"), "a run of precision float32, not bfloat16"),
        (("--overwrite",), "resume and overwrite are both given"),
    ],
)
def test_other_options_are_refused_and_nothing_is_lost(
    toy: str, tmp_path: Path, capsys, change: tuple, named: str
) -> None:
    words = ("refine", "--model", toy, "--n", 6, "--batch-size", 2, "--steps", 3, "--out", tmp_path / "run")
    stopped_after(2, *words)
    kept = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    assert named in refused(capsys, *words, *change, "--resume")
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == kept


def test_a_model_trained_anew_is_refused(toy: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", toy, "--n", 6, "--batch-size", 2, "--out", tmp_path / "run")
    stopped_after(2, *words)
    path = Path(toy) / "critic.safetensors"
    weights = load_file(path)
    weights[next(iter(weights))].flatten()[0] += 1e-3
    save_file(weights, path)
    assert "a run of fingerprint" in refused(capsys, *words, "--resume")


def test_evaluations_are_those_of_the_samples(toy: str, tmp_path: Path) -> None:
    words = ("refine", "--model", toy, "--n", 9, "--out", tmp_path / "run")
    stopped_after(4, *words, "--batch-size", 4)
    run(*words, "--batch-size", 6, "--resume")
    assert results(tmp_path / "run")[1]["evaluations"] == 9 * 3


@pytest.mark.parametrize("missing", ["before", "steps"])
def test_arrays_that_are_missing_are_told(toy: str, tmp_path: Path, capsys, missing: str) -> None:
    words = ("refine", "--model", toy, "--n", 6, "--batch-size", 2, "--out", tmp_path / "run")
    stopped_after(2, *words)
    path = tmp_path / "run" / "samples.npz"
    np.savez(path, **{name: rows for name, rows in np.load(path).items() if name != missing})
    assert f"some samples have no {missing}; begin anew with --overwrite" in refused(capsys, *words, "--resume")
    assert missing not in np.load(path).files


def test_a_stop_before_the_first_batch_is_told(toy: str, tmp_path: Path, capsys) -> None:
    stopped_after(0, "refine", "--model", toy, "--n", 6, "--out", tmp_path / "run", before=True)
    assert "no batch was finished; a smaller --batch-size keeps something sooner" in capsys.readouterr().err
    path = Path(toy) / "critic.safetensors"
    save_file({name: value * torch.nan for name, value in load_file(path).items()}, path)
    said = refused(capsys, "refine", "--model", toy, "--n", 6, "--out", tmp_path / "failed")
    assert "no batch" not in said, "a smaller batch is no help there"


@pytest.mark.parametrize("damage", ["samples.npz", "run.json"])
def test_damaged_files_are_named(toy: str, tmp_path: Path, capsys, damage: str) -> None:
    words = ("refine", "--model", toy, "--n", 6, "--batch-size", 2, "--out", tmp_path / "run")
    stopped_after(2, *words)
    path = tmp_path / "run" / damage
    path.write_bytes(path.read_bytes()[:40])
    assert str(path) in refused(capsys, *words, "--resume")


def test_a_run_that_was_never_begun_begins(toy: str, tmp_path: Path, capsys) -> None:
    run("refine", "--model", toy, "--n", 3, "--out", tmp_path / "run", "--resume")
    assert "has no samples to go on with: all 3 are made" in capsys.readouterr().err
    assert results(tmp_path / "run")[1]["finished"] == 3


def test_long_runs_are_saved_on_their_way(toy: str, tmp_path: Path, monkeypatch) -> None:
    """What is killed cannot save: it must have been before."""
    from wasserflow.cli.running import streaming

    monkeypatch.setattr(streaming, "_SAVE_EVERY", 0.0)
    seen: list[list[int]] = []
    save = Collected.save

    def watched(self: Collected, path: Path) -> None:
        save(self, path)
        seen.append(np.load(path)["before"].shape[0])

    monkeypatch.setattr(Collected, "save", watched)
    run("refine", "--model", toy, "--n", 6, "--batch-size", 2, "--out", tmp_path / "run")
    assert seen == [2, 4, 6, 6]
