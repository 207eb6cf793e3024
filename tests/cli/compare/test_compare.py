"""`wasserflow compare`: its table, its files, its seeds, and that it can be interrupted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from models import feature_net, image_pair, toy_pair
from PIL import Image
from safetensors.torch import load_file, save_file

from wasserflow.cli import main
from wasserflow.cli.compare import command, report
from wasserflow.cli.compare.cost import UNIT
from wasserflow.cli.compare.work import IMAGE_COLUMNS, POINT_COLUMNS
from wasserflow.cli.names.measures import measure_for
from wasserflow.data.images import to_uint8
from wasserflow.models import zoo
from wasserflow.reports.compute import save_quality_against_compute
from wasserflow.seeds import sample_seeds

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning", "ignore:.*lie above max d:UserWarning")

N = 20
FILES = ("compare.json", "compare.csv", "quality_against_compute.png", "run.json", "finished.json")


def turned(folder: str, real: torch.Tensor) -> str:
    """Make an untrained critic rank the right way round."""
    pair = zoo.load(folder)
    with torch.no_grad():
        gap = pair.critic(real).mean() - pair.critic(pair.generator(pair.prior.sample(99, 0))).mean()
    if float(gap) < 0:
        path = Path(folder) / "critic.safetensors"
        weights = load_file(path)
        last = [name for name, value in weights.items() if value.ndim == 2][-1]
        # Spectral norm divides by a product with the vector u: both change their sign, or neither does.
        turn = {last, last.replace("original", "0._u")} & set(weights)
        save_file({name: -value if name in turn else value for name, value in weights.items()}, path)
    return folder


@pytest.fixture
def points(tmp_path: Path) -> list[str]:
    real = command.held_out_samples("25gaussians", None, 99)
    model = turned(toy_pair(tmp_path / "pair"), real)
    small = ["--n", str(N), "--calibration", "30", "--budget", "3", "--progress", "false"]
    return ["compare", "--model", model, "--seeds", "2", *small]


def content(out: Path) -> dict:
    return json.loads((out / "compare.json").read_text())


def numbers(out: Path) -> dict:
    """All that is the same in every run."""
    results = content(out)["results"]
    for row in results.values():
        for result in row:
            result.pop("seconds", None)
            result.get("passes", {}).pop("seconds", None)
    return results


def test_table_of_every_method(points: list[str], tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main([*points, "--out", str(out)])
    said = capsys.readouterr().out
    for name in FILES:
        assert (out / name).is_file()
    with Image.open(out / "quality_against_compute.png") as picture:
        picture.verify()
    labels = ["no refinement", "DGflow KL", "DGflow JS", "DGflow logD", "naive ascent", "MALA", "DDLS", "DOT", "GMI"]
    labels += ["DRS", "OBRS", "MH-GAN", "best of k"]
    table = {row["method"]: row for row in content(out)["rows"]}
    assert list(table) == labels
    assert UNIT in said
    assert "6.5 units a sample, which is 3 gradient evaluations" in said
    for label, row in table.items():
        assert row["reason"] is None
        assert row["units"]["mean"] <= 6.5 or label in {"OBRS", "DRS", "MH-GAN"}
        assert (row["acceptance"] is not None) == (label in {"MALA", "DRS", "OBRS", "MH-GAN"})
        assert f"{row['wasserstein2']['mean']:.4f} ± {row['wasserstein2']['std']:.4f}" in said
    with (out / "compare.csv").open() as file:
        written = {row["method"]: row for row in csv.DictReader(file)}
    assert float(written["DOT"]["wasserstein2_mean"]) == table["DOT"]["wasserstein2"]["mean"]
    assert written["DOT"]["acceptance_mean"] == ""
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    best = max(table.values(), key=lambda row: row["kde_score"]["mean"])
    assert f"best by KDE: {best['method']} " in said


def test_curves_end_at_the_table(points: list[str], tmp_path: Path) -> None:
    main([*points, "--out", str(tmp_path / "out"), "--methods", "[dgflow-kl, best-of-k, mala]"])
    for label, results in content(tmp_path / "out")["results"].items():
        for result in results:
            last = list(result["curve"].values())[-1]
            assert last == {"units": result["units"], "distance": result["metrics"]["kde_score"]}
            # One gradient evaluation is too little for MALA, which needs one to start and one a step.
            budgets = {"no refinement": ["0"], "MALA": ["3"]}.get(label, ["1", "3"])
            assert list(result["curve"]) == budgets


def test_the_same_seeds_give_the_same_numbers(points: list[str], tmp_path: Path) -> None:
    some = ["--methods", "[dgflow-js, mala, dot, obrs, mh-gan]"]
    for name in ("a", "b"):
        main([*points, *some, "--out", str(tmp_path / name)])
    first = numbers(tmp_path / "a")
    assert first == numbers(tmp_path / "b")
    for row in first.values():
        assert row[0]["metrics"] != row[1]["metrics"]
    main([*points, *some, "--seed", "1", "--seeds", "1", "--out", str(tmp_path / "second")])
    assert {label: row[0] for label, row in numbers(tmp_path / "second").items()} == {
        label: row[1] for label, row in first.items()
    }


def test_interrupted_run_goes_on_where_it_stopped(points: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    work, calls = command.result_of, []

    def counted(*arguments: object, **options: object) -> dict:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(options)
        return work(*arguments, **options)

    monkeypatch.setattr(command, "result_of", counted)
    more = ["--methods", "[ddls, drs]", "--out", str(tmp_path / "cut")]
    with pytest.raises(SystemExit) as stop:
        main([*points, *more])
    assert stop.value.code == 130
    assert "3 rows are finished" in capsys.readouterr().err
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["status"] == "interrupted"
    calls.append({})
    main([*points, *more, "--resume"])
    assert len(calls) == 4 + 3
    main([*points, *more[:2], "--out", str(tmp_path / "whole")])
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    with pytest.raises(SystemExit):
        main([*points, *more, "--resume", "--budget", "2"])
    assert "'budget': 3" in capsys.readouterr().err


def test_rows_of_the_same_settings_are_run_once(points: list[str], tmp_path: Path, monkeypatch) -> None:
    """Naive ascent is DGflow KL without noise; the pair's card has noise, until it is taken out."""
    work, ran = command.result_of, []
    monkeypatch.setattr(command, "result_of", lambda **options: ran.append(options["row"].label) or work(**options))
    plotted: list[list[str]] = []
    monkeypatch.setattr(report, "save_quality_against_compute", lambda path, moved, *_: plotted.append(list(moved)))
    more = [*points, "--seeds", "1", "--methods", "[dgflow-kl, naive]"]
    main([*more, "--out", str(tmp_path / "noisy")])
    noisy = numbers(tmp_path / "noisy")
    assert noisy["DGflow KL"] != noisy["naive ascent"]
    path = Path(points[2]) / "card.json"
    card = json.loads(path.read_text())
    card["refine"]["temperature"] = 0.0
    path.write_text(json.dumps(card))
    main([*more, "--out", str(tmp_path / "plain")])
    plain = numbers(tmp_path / "plain")
    assert plain["DGflow KL"] == plain["naive ascent"] == noisy["naive ascent"]
    assert ran == ["no refinement", "DGflow KL", "naive ascent", "no refinement", "DGflow KL"]
    assert plotted == [["DGflow KL", "naive ascent"], ["DGflow KL = naive ascent"]]


def test_images_are_measured_by_features(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("test", "real"):
        np.savez(tmp_path / name, samples=random.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    model = image_pair(tmp_path / "images", feature_net(tmp_path / "net"), tmp_path / "test.npz")
    real = str(tmp_path / "real.npz")
    turned(model, command.held_out_samples("none", real, 40))
    words = ["compare", "--model", model, "--real", real, "--n", "6", "--seeds", "1", "--budget", "3"]
    words += ["--calibration", "20", "--methods", "[dgflow-logd, gmi, mh-gan]", "--progress", "false"]
    main([*words, "--out", str(tmp_path / "out")])
    results = content(tmp_path / "out")["results"]
    for row in results.values():
        assert {name for name in IMAGE_COLUMNS if row[0]["metrics"][name] is not None} == set(IMAGE_COLUMNS)
    # A step of gmi passes twice through the critic: once for its logit and once for the features of the kernels.
    passes = results["GMI"][0]["passes"]
    passes.pop("seconds")
    assert passes == {
        "generator_forwards": 6 * 3,
        "generator_backwards": 6 * 2,
        "critic_forwards": 6 * 4,
        "critic_backwards": 6 * 4,
    }
    assert results["GMI"][0]["setup_units"] == 20 / 2


def test_another_reference_is_what_samples_are_measured_against(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, brightest in (("test", 256), ("real", 256), ("other", 64)):
        np.savez(tmp_path / name, samples=random.integers(0, brightest, (40, 32, 32, 3), dtype=np.uint8))
    net = feature_net(tmp_path / "net")
    model = image_pair(tmp_path / "images", net, tmp_path / "test.npz")
    turned(model, command.held_out_samples("none", str(tmp_path / "real.npz"), 40))
    words = ["compare", "--model", model, "--real", str(tmp_path / "real.npz"), "--n", "6", "--seeds", "1"]
    words += ["--calibration", "20", "--methods", "[drs]", "--progress", "false", "--budget", "3"]
    other = str(tmp_path / "other.npz")
    main([*words, "--reference", other, "--out", str(tmp_path / "out")])
    main([*words, "--out", str(tmp_path / "own")])
    found = content(tmp_path / "out")
    assert other in found["reference"]
    pair = zoo.load(model)
    images = to_uint8(pair.generator(pair.prior.sample(6, sample_seeds(0, 6))).detach()).permute(0, 2, 3, 1).numpy()
    expected = measure_for(other, str(net))(images)["frechet"]
    assert found["rows"][0]["frechet"]["mean"] == pytest.approx(expected, rel=1e-4)
    assert content(tmp_path / "own")["rows"][0]["frechet"]["mean"] != pytest.approx(expected, rel=1e-2)


def test_half_precision_is_said_and_changes_little(points: list[str], tmp_path: Path, capsys) -> None:
    few = ["--seeds", "1", "--methods", "[dgflow-kl, best-of-k]"]
    main([*points, *few, "--out", str(tmp_path / "full")])
    assert "networks ran in" not in capsys.readouterr().out
    main([*points, *few, "--precision", "bfloat16", "--out", str(tmp_path / "half")])
    assert "networks ran in bfloat16" in capsys.readouterr().out
    full, half = (numbers(tmp_path / name)["DGflow KL"][0] for name in ("full", "half"))
    assert half["metrics"]["wasserstein2"] != full["metrics"]["wasserstein2"]
    assert half["metrics"]["wasserstein2"] == pytest.approx(full["metrics"]["wasserstein2"], rel=0.05)
    assert half["units"] == full["units"]


def test_a_method_that_diverges_or_has_no_step_is_said(points: list[str], tmp_path: Path, capsys) -> None:
    more = ["--budget", "1", "--seeds", "1", "--methods", "[ddls, mala]", "--ddls-temperature", "1e300"]
    main([*points, *more, "--out", str(tmp_path / "out")])
    table = {row["method"]: row["reason"] for row in content(tmp_path / "out")["rows"]}
    assert table == {"no refinement": None, "DDLS": "diverged", "MALA": "needs more"}
    said = capsys.readouterr().out
    assert "diverged" in said
    assert "needs more" in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--n", "1"], "n is 1"),
        (["--budget", "0"], "budget is 0"),
        (["--seeds", "0"], "seeds is 0"),
        (["--calibration", "0"], "calibration is 0; a critic needs samples to be calibrated on"),
        (["--critic", "generatr"], "generatr"),
        (["--methods", "[]"], "methods is []"),
        (["--methods", "[dot, dot]"], "each once"),
        (["--methods", "[nope]"], "nope"),
        (["--resume", "--overwrite"], "resume and overwrite"),
        (["--model", "mnist-resnet"], "generator"),
        (["--model", "mnist-gan", "--real", "nowhere.npz"], "nowhere.npz"),
        (["--reference", "cifar10-validation"], "tiny-toy is a model of 25gaussians; it cannot be measured against"),
    ],
)
def test_bad_input_is_refused(points: list[str], tmp_path: Path, capsys, more: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*points, "--out", str(tmp_path / "out"), *more])
    assert stop.value.code == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_of_no_known_set_need_others_to_calibrate_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder is what results are measured against.*--real"):
        command.held_out_samples("folder", None, 10)


def test_arithmetic_of_a_row() -> None:
    one = {"metrics": {"wasserstein2": 1.0}, "units": 5.0, "acceptance": None, "seconds": 1.0, "setup_units": 0.0}
    other = {**one, "metrics": {"wasserstein2": 3.0}}
    row = report.summary("x", [one, other], POINT_COLUMNS)
    assert row["wasserstein2"] == {"mean": 2.0, "std": pytest.approx(2**0.5)}
    assert row["high_quality_percent"] is None
    lost = report.summary("x", [one, {"metrics": None, "reason": "diverged", "curve": {}}], POINT_COLUMNS)
    assert (lost["wasserstein2"], lost["units"], lost["reason"]) == (None, None, "diverged")


def test_a_figure_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no methods to plot"):
        save_quality_against_compute(tmp_path / "x.png", {}, {}, {0.5: [1.0]}, "W2", "units")
