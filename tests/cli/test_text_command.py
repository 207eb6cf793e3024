"""Text from the command line: a GAN is trained on a tiny corpus, its strings refined, measured and tabulated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from stopping import stopped_after

import wasserflow as wf
from wasserflow.cli import main
from wasserflow.cli.names.texts import TextMeasure, save_strings
from wasserflow.cli.reproduce.text_table import BASE, METRICS, summary, table_5
from wasserflow.data.text import Alphabet, passages
from wasserflow.metrics import ngram_divergence
from wasserflow.models import CharacterCritic, CharacterGenerator, zoo
from wasserflow.models.pretrained import Card, Recipe, save_pretrained

TRAIN = [
    "the old cat sat on a mat and ate the last hat of all",
    "a bat had eaten the oat and that was all there was",
] * 20
TEST = ["that cat was the last to eat and the hat was on the mat", "all bats eat oats and a cat sat there, that was it"]
ALPHABET = Alphabet.of(TRAIN, 20)


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data" / "billion_words"
    folder.mkdir(parents=True)
    (folder / "train.txt").write_text("\n".join(TRAIN), encoding="utf-8")
    (folder / "test.txt").write_text("\n".join(TEST), encoding="utf-8")
    monkeypatch.setenv("WASSERFLOW_DATA", str(tmp_path / "data"))
    return folder


@pytest.fixture
def text(tmp_path: Path) -> str:
    """An untrained pair of the corpus's alphabet, with a critic that has something to say."""
    torch.manual_seed(0)
    sizes = {"characters": len(ALPHABET), "width": 4}
    networks = {"generator": CharacterGenerator(**sizes, latent_dim=3), "critic": CharacterCritic(**sizes)}
    with torch.no_grad():
        networks["generator"].end.weight.mul_(20)
        networks["critic"].head.weight.mul_(20)
    recipes = {
        "generator": Recipe("CharacterGenerator", {**sizes, "latent_dim": 3}),
        "critic": Recipe("CharacterCritic", sizes),
    }
    prior = Recipe("Normal", {"shape": 3})
    refine = {"step_size": 0.5, "temperature": 0.0, "steps": 3, "divergence": "js"}
    card = Card("tiny", "untrained", "billion-words", "none", "none", recipes, prior, refine, {}, ALPHABET.characters)
    save_pretrained(tmp_path / "text", card, networks)
    return str(tmp_path / "text")


def run(*words: object) -> None:
    main([str(word) for word in words])


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        run(*words)
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_strings_are_those_of_the_library_and_are_measured(text: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    run("refine", "--model", text, "--out", out, "--n", 7, "--batch-size", 3, "--seed", 3, "--progress", "false")
    arrays = dict(np.load(out / "samples.npz"))
    pair, seeds = zoo.load(text), wf.sample_seeds(3, 7)
    z0 = pair.prior.sample(7, seeds)
    expected = wf.refine(
        pair.critic,
        z0,
        generator=pair.generator,
        divergence=wf.JensenShannon(),
        integrator=wf.EulerMaruyama(0.5, 0.0),
        steps=3,
        seed=seeds,
    )
    assert arrays["before"].tolist() == ALPHABET.decode(pair.generator(z0))
    assert arrays["after"].tolist() == ALPHABET.decode(expected.samples)
    assert (arrays["before"] != arrays["after"]).any()
    held_out = ALPHABET.decode(ALPHABET.encode(passages(TEST)))
    record = json.loads((out / "run.json").read_text())
    for side in ("before", "after"):
        for n in (4, 6):
            divergence = ngram_divergence(arrays[side].tolist(), held_out, n)
            assert record["metrics"][side][f"js{n}"] == pytest.approx(divergence, rel=1e-12)
    table = (out / "before_after.txt").read_text(encoding="utf-8").splitlines()
    assert table[0].split() == ["before", "after"]
    assert table[2] == f"{arrays['before'][0]}  {arrays['after'][0]}".rstrip()
    assert not list(out.glob("*.png")) + list(out.glob("*.gif"))
    assert "JS-6" in capsys.readouterr().out
    run("evaluate", "--samples", out / "samples.npz", "--reference", "billion-words")
    assert "7 samples against 2 strings of the test text of billion-words" in capsys.readouterr().out


def test_without_the_text_strings_are_refined_and_not_measured(text: str, tmp_path: Path, corpus: Path) -> None:
    (corpus / "test.txt").unlink()
    run("refine", "--model", text, "--out", tmp_path / "run", "--n", 2)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "finished"
    assert "js4" not in record["metrics"]["before"]
    assert "test.txt" in record["metrics"]["before"]["reference"]


def test_strings_are_gone_on_with_and_none_is_made_again(text: str, tmp_path: Path, capsys) -> None:
    words = ("refine", "--model", text, "--n", 7, "--steps", 2, "--progress", "false")
    stopped_after(4, *words, "--batch-size", 2, "--out", tmp_path / "run")
    run(*words, "--out", tmp_path / "run", "--resume")
    assert "going on with 4 of 7 samples\n" in capsys.readouterr().err
    run(*words, "--out", tmp_path / "whole")
    one, other = (np.load(tmp_path / name / "samples.npz") for name in ("run", "whole"))
    assert (one["before"] == other["before"]).all()
    assert (one["after"] == other["after"]).all()


def test_strings_that_cannot_be_measured_are_refused(tmp_path: Path, capsys) -> None:
    measure = TextMeasure("billion-words", ALPHABET)
    good = passages(TEST)[0]
    assert measure(np.array([ALPHABET.decode(ALPHABET.encode([good]))[0]]))["samples"] == 1
    with pytest.raises(ValueError, match="string 1 is 'short'; give strings of 32 characters"):
        measure(np.array(["a" * 32, "short"]))
    with pytest.raises(ValueError, match="each of '`"):
        measure(np.array(["Z" * 32]))
    np.savez(tmp_path / "points.npz", samples=np.zeros((3, 2), np.float32))
    said = refused(capsys, "evaluate", "--samples", tmp_path / "points.npz", "--reference", "billion-words")
    assert "float32 (3, 2); billion-words needs strings" in said


def test_training_leaves_a_model_that_refine_reads(tmp_path: Path, corpus: Path, capsys) -> None:
    small = ["--width", 4, "--latent_dim", 3, "--characters", 20, "--iterations", 3, "--batch_size", 4]
    words = ["train", "text-gan", "--out", tmp_path / "gan", *small, "--measure_every", 2, "--progress", "false"]
    run(*words)
    pair = zoo.load(tmp_path / "gan" / "model")
    assert pair.card.alphabet == Alphabet.of(TRAIN[:36], 20).characters
    assert pair.generator(pair.prior.sample(2)).shape == (2, 32, len(pair.card.alphabet))
    run("refine", "--model", tmp_path / "gan" / "model", "--out", tmp_path / "run", "--n", 2, "--steps", 1)
    assert "not empty; choose another folder" in refused(capsys, *words)
    (corpus / "train.txt").write_text("\n".join(TRAIN[:2] * 5), encoding="utf-8")
    said = refused(capsys, *words[:3], tmp_path / "other", *small, "--batch_size", 1000)
    assert "strings to learn from, and one iteration takes critic_steps x batch_size = 5000" in said


def test_the_table_resumes_and_is_that_of_its_strings(text: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    words = ["reproduce", "text", "--model", text, "--out", out, "--n", 6, "--progress", "false", "--steps", 2]
    run(*words, "--seeds", 1)
    first = json.loads((out / "finished.json").read_text())
    capsys.readouterr()
    run(*words, "--seeds", 2, "--resume")
    said = capsys.readouterr().out
    assert "0.224" in said
    assert "DGflow logD, 2 x 0.5" in said
    second = json.loads((out / "finished.json").read_text())
    assert second["finished"]["0"] == first["finished"]["0"]
    assert second["finished"]["1"][BASE.label]["strings"] != first["finished"]["0"][BASE.label]["strings"]
    table = json.loads((out / "table.json").read_text())
    rows = {row["row"]: row for row in table["rows"]}
    assert len(rows) == 7
    assert table["evaluations"] == 6 * 2 * 3 * (50 + 2)
    refined = [second["finished"][seed]["DGflow KL, 50 x 0.1"]["js6"] for seed in "01"]
    assert rows["DGflow KL, 50 x 0.1"]["js6"]["measured"]["mean"] == pytest.approx(sum(refined) / 2)
    assert "before" not in (out / "before_after.txt").read_text()
    run("refine", "--model", text, "--out", tmp_path / "same", "--n", 6, "--divergence", "kl", "--steps", 2)
    kept = second["finished"]["0"]["DGflow KL, 2 x 0.5"]["strings"]
    assert np.load(tmp_path / "same" / "samples.npz")["after"].tolist() == kept
    assert "is of a run with" in refused(capsys, *words, "--n", 7, "--resume")


def test_only_models_of_text_have_the_table(toy: str, tmp_path: Path, capsys) -> None:
    said = refused(capsys, "reproduce", "text", "--model", toy, "--out", tmp_path / "run")
    assert "tiny-toy is a model of 25gaussians; give a generator and critic of text" in said
    assert not (tmp_path / "run").exists()


def test_the_published_table_and_its_changes() -> None:
    rows = table_5(0.1, 50)
    assert [row.published for row in rows] == [(0.224, 0.574), (0.212, 0.512), (0.186, 0.508), (0.209, 0.506)]
    assert {(row.options.step_size, row.options.steps, row.options.temperature) for row in rows[1:]} == {(0.1, 50, 0.0)}
    assert len(table_5(0.2, 50)) == 7
    values = {row.label: [{"js4": 0.4 - 0.1 * i, "js6": 0.8}] for i, row in enumerate(rows[:3])}
    table = summary(rows[:3], values)
    assert table[1]["js4"]["change_percent"]["mean"] == pytest.approx(-25)
    assert table[2]["js4"]["change_percent"]["mean"] == pytest.approx(-50)
    assert table[2]["js4"]["published_change_percent"] == pytest.approx(100 * (0.186 / 0.224 - 1))
    assert table[1]["js6"]["change_percent"]["mean"] == pytest.approx(0)
    assert METRICS == ("js4", "js6")


def test_a_table_of_strings_replaces_an_earlier_one(tmp_path: Path) -> None:
    path = save_strings(tmp_path, np.array(["ab"]), np.array(["cd"]))
    assert path.read_text().splitlines() == ["before  after", "------  -----", "ab         cd"]
