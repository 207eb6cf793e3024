"""`wasserflow reproduce gmi`: its rows are the methods, its arithmetic is right, and it can be interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import feature_net, image_pair
from PIL import Image
from safetensors.torch import load_file, save_file

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.names import held_out
from wasserflow.cli.names.images import IMAGE_SETS
from wasserflow.cli.reproduce import gmi_flows
from wasserflow.cli.reproduce.gmi_table import Row, Settings, printed, summary, tables
from wasserflow.cli.running.finished import Finished
from wasserflow.data.images import LabelledImages, to_float
from wasserflow.densities import MedianBandwidth, ReferenceFeatures
from wasserflow.models import zoo

pytestmark = pytest.mark.filterwarnings("ignore:a Fréchet distance:UserWarning")

SETTINGS = ("--settings.steps", "2", "--settings.references", "20", "--settings.weights", "[5.0, 7.0, 3.0]")


def noise(split: str) -> LabelledImages:
    generator = torch.Generator().manual_seed({"train": 0, "validation": 1, "test": 2}[split])
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return LabelledImages(images, torch.zeros(40).long())


def livelier(weight: torch.Tensor) -> torch.Tensor:
    """An untrained generator's images hardly depend on the latents; with larger weights they do."""
    return weight * 20 if weight.ndim > 1 else weight


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An untrained pair and classifier, and noise for real images."""
    monkeypatch.setattr(held_out, "images_of", lambda data, split: noise(split))
    monkeypatch.setitem(IMAGE_SETS, "cifar10", replace(IMAGE_SETS["cifar10"], read=noise))
    net = feature_net(tmp_path / "net")
    pair = Path(image_pair(tmp_path / "pair", net, tmp_path / "none"))
    weights = {name: livelier(weight) for name, weight in load_file(pair / "generator.safetensors").items()}
    save_file(weights, pair / "generator.safetensors")
    card = json.loads((pair / "card.json").read_text())
    (pair / "card.json").write_text(json.dumps({**card, "data": "cifar10"}))
    models = ["--model", str(pair), "--features", str(net), "--progress", "false"]
    return ["reproduce", "gmi", *models, *SETTINGS, "--n", "6"]


def table_of(out: Path) -> dict[str, dict[str, dict]]:
    content = json.loads((out / "table.json").read_text())["tables"]
    return {number: {row["row"]: row for row in rows} for number, rows in content.items()}


def test_smallest_run_writes_what_it_says(words: list[str], tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    main([*words, "--seeds", "2", "--seed", "4", "--only", "[1, 2]", "--rows", "[KDE, DGflow]", "--out", str(out)])
    said = capsys.readouterr().out
    assert "20.90" in said
    assert "6 samples is biased upwards" in said
    record, table = json.loads((out / "run.json").read_text()), table_of(out)
    assert record["status"] == "finished"
    assert record["seeds"] == [4, 5]
    assert list(table) == ["1", "2"]
    assert list(table["2"]) == ["DGflow", "KDE"]
    assert table["1"]["SN-GAN + KDE"]["after"] == table["2"]["KDE"]["after"]
    # Two rows of 2 steps, 6 samples and 2 seeds; table 1's is one of them.
    assert record["evaluations"] == 2 * 2 * 6 * 2
    for name in ("distance.png", "before_after.png"):
        with Image.open(out / name) as picture:
            picture.verify()
        assert str(out / name) in said
    change = table["2"]["KDE"]["change_percent"]
    assert f"{change['mean']:+.1f} ± {change['std']:.1f} %" in said
    assert "-32.8 %" in said  # 14.99 of 22.30


def test_rows_are_the_methods(words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    main([*words, "--seeds", "1", "--only", "[2, 7]", "--rows", "[KDE, DGflow]", "--out", str(out), "--seed", "3"])
    pair, net = zoo.load(words[3]), zoo.load(words[5]).model
    judge = wf.metrics.FeatureMoments.of(net.features(to_float(noise("test").images)).detach())
    seeds = wf.sample_seeds(3, 6)
    z, real = pair.prior.sample(6, seeds), to_float(noise("train").images[:20])

    def distance(z: torch.Tensor) -> float:
        with torch.no_grad():
            images = wf.data.images.to_uint8(pair.generator(z))
            return wf.metrics.frechet_distance(wf.metrics.FeatureMoments.of(net.features(to_float(images))), judge)

    def inferred(*weights: float) -> float:
        reference = ReferenceFeatures.of(pair.critic.pooled_features, real)
        options = {
            "features": pair.critic.pooled_features,
            "real": reference,
            "log_likelihood": pair.critic,
            "steps": 2,
        }
        density = wf.KernelDensity(MedianBandwidth(0.2))
        return distance(wf.methods.gmi(pair.generator, z, weights=weights, density=density, **options).particles)

    table = table_of(out)
    assert table["2"]["KDE"]["before"]["mean"] == pytest.approx(distance(z), rel=1e-4)
    expected = {"p only": (0.0, 7.0, 0.0), "q only": (5.0, 0.0, 0.0), "p(c|x) only": (0.0, 0.0, 3.0)}
    for label, weights in {**expected, "all three": (5.0, 7.0, 3.0)}.items():
        assert table["7"][label]["after"]["mean"] == pytest.approx(inferred(*weights), rel=1e-3), label
    assert len({row["after"]["mean"] for row in table["7"].values()}) == 4
    # DGflow is the method with weights (0, 0, h).
    assert table["2"]["DGflow"]["after"]["mean"] == pytest.approx(inferred(0.0, 0.0, Settings().dgflow_step), rel=1e-3)


def test_interrupted_run_goes_on_where_it_stopped(words: list[str], tmp_path: Path, monkeypatch, capsys) -> None:
    run, calls = gmi_flows.Flows.run, []

    def counted(self: gmi_flows.Flows, *arguments: object) -> gmi_flows.Outcome:
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(arguments)
        return run(self, *arguments)

    monkeypatch.setattr(gmi_flows.Flows, "run", counted)
    more = ["--seeds", "2", "--only", "[2]", "--rows", "[DDLS, DOT]"]
    with pytest.raises(SystemExit) as stop:
        main([*words, *more, "--out", str(tmp_path / "cut")])
    assert stop.value.code == 130
    # The unrefined samples of both seeds, and both rows of the first.
    assert "4 rows are finished" in capsys.readouterr().err
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["status"] == "interrupted"
    calls.append(None)
    main([*words, *more, "--out", str(tmp_path / "cut"), "--resume"])
    assert len(calls) == 5
    main([*words, *more, "--out", str(tmp_path / "whole")])
    cut, whole = (table_of(tmp_path / name) for name in ("cut", "whole"))
    assert cut == whole


def test_resuming_other_samples_is_refused(words: list[str], tmp_path: Path, capsys) -> None:
    more = ["--seeds", "1", "--only", "[2]", "--rows", "[DDLS]", "--out", str(tmp_path / "out")]
    main([*words, *more])
    for change, says in ((["--n", "7"], "'n': 6"), (["--overwrite"], "resume and overwrite")):
        with pytest.raises(SystemExit):
            main([*words, *more, "--resume", *change])
        assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--only", "[3]"], "[3] are none of the tables 1, 2, 6, 7"),
        (["--rows", "[KDE, nope]"], "nope"),
        (["--settings.best", "DOT"], "best is 'DOT'"),
        (["--n", "1"], "n is 1"),
        (["--model", "25gaussians"], "25gaussians"),
    ],
)
def test_bad_input_is_refused(words: list[str], tmp_path: Path, capsys, more: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--out", str(tmp_path / "out"), *more])
    assert stop.value.code == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_arithmetic_of_a_row() -> None:
    row = Row("KDE", 11.15, tables(Settings())[1][0].options)
    result = summary(row, before=[2.0, 4.0], after=[1.0, 3.0])
    assert result["published_change_percent"] == pytest.approx(-50.0)
    assert result["before"] == {"mean": 3.0, "std": pytest.approx(2**0.5)}
    assert result["after"] == {"mean": 2.0, "std": pytest.approx(2**0.5)}
    # The mean of -50 % and -25 %, not the change of the means.
    assert result["change_percent"] == {"mean": -37.5, "std": pytest.approx(25 / 2**0.5)}
    lost = summary(row, before=[2.0, 4.0], after=[1.0, None])
    assert lost["after"] is None
    said = printed(2, [result, lost])
    assert "2.000 ± 1.414  -37.5 ± 17.7 %" in said
    assert "diverged" in said


def test_step_sizes_scale_the_weights() -> None:
    rows = {row.label: row for row in tables(Settings(weights=(0.3, 0.6, 0.9), best="KRR mollified"))[6]}
    assert rows["step 0.1"].options.weights == pytest.approx((0.1, 0.2, 0.3))
    assert rows["step 2"].options.weights == pytest.approx((2.0, 4.0, 6.0))
    best = tables(Settings(weights=(0.3, 0.6, 0.9), best="KRR mollified"))[1][0].options
    assert rows["step 0.3"].options == best
    assert (best.density, best.mollifier, best.ridge) == ("kernel-ridge", 0.01, 0.1)


def test_rows_of_the_method_share_their_weights_but_steins() -> None:
    rows = {row.label: row.options for row in tables(Settings((1.0, 2.0, 3.0), stein_weights=(4.0, 5.0, 6.0)))[2]}
    for label in ("KDE", "KRR", "KDE mollified", "KRR mollified"):
        assert rows[label].weights == (1.0, 2.0, 3.0)
    assert rows["Stein"].weights == (4.0, 5.0, 6.0)
    assert {options.steps for options in rows.values()} == {15}


def test_damaged_results_are_named(tmp_path: Path) -> None:
    path = tmp_path / "finished.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"finished\.json holds no finished rows"):
        Finished(path, {})


def test_a_diverged_row_is_said_and_kept(words: list[str], tmp_path: Path, capsys) -> None:
    more = ["--seeds", "1", "--only", "[2]", "--rows", "[DDLS]", "--settings.ddls_temperature", "1e300"]
    main([*words, *more, "--out", str(tmp_path / "out")])
    row = table_of(tmp_path / "out")["2"]["DDLS"]
    assert (row["after"], row["change_percent"]) == (None, None)
    assert row["before"]["mean"] > 0
    assert "diverged" in capsys.readouterr().out
    main([*words, *more, "--out", str(tmp_path / "out"), "--resume"])


def test_settings_are_chosen_on_validation_images(words: list[str]) -> None:
    net = zoo.load(words[5])
    own = wf.metrics.FeatureMoments.of(net.model.features(to_float(noise("validation").images)).detach())
    torch.testing.assert_close(held_out.HeldOutDistance(net, "cifar10", "validation").reference.mean, own.mean)
    assert not torch.equal(held_out.HeldOutDistance(net, "cifar10", "test").reference.mean, own.mean)
