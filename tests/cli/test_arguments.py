"""What people type: dashes, switches, config files, and nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wasserflow.cli import main
from wasserflow.cli.arguments import normalised


@pytest.mark.parametrize(
    ("words", "known"), [([], ["refine", "train"]), (["train"], ["sndcgan", "vq"]), (["reproduce"], ["gmi"])]
)
def test_no_command_is_refused_with_those_that_there_are(capsys, words: list[str], known: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert f"{' '.join(['wasserflow', *words])}: give one of its commands, " in said
    assert all(name in said for name in known)


@pytest.mark.parametrize("joined", [False, True])
def test_a_config_file_may_spell_options_with_dashes(toy: str, tmp_path: Path, joined: bool) -> None:
    config = tmp_path / "settings.yaml"
    out = tmp_path / "a-b"
    config.write_text(f"# step-size: of DGflow\nmodel: {toy}\nn: 3\nstep-size: 0.5\nbatch-size : 2\nout: {out}\n")
    main(["refine", *([f"--config={config}"] if joined else ["--config", str(config)]), "--batch-size", "1"])
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["step_size"] == 0.5
    assert record["config"]["batch_size"] == 1


def test_a_config_file_without_dashes_is_named_and_not_copied(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("steps: 3\n")
    assert normalised(["refine", "--config", str(config)], set()) == ["refine", "--config", str(config)]


def test_a_config_without_a_file_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["refine", "--config"])
    assert stop.value.code == 2
    assert "config" in capsys.readouterr().err


def test_an_option_without_its_value_is_refused_and_leaves_nothing(
    capsys, toy: str, tmp_path: Path, monkeypatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for words in (["refine", "--model", toy, "--out"], ["refine", "--out", "--model", toy]):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert "--out" in capsys.readouterr().err
    assert not list(empty.iterdir())


def test_only_what_is_true_or_false_may_stand_without_a_value() -> None:
    words = normalised(["refine", "--overwrite", "--num-nodes", "--out", "runs/a"], {"overwrite", "progress"})
    assert words == ["refine", "--overwrite=true", "--num_nodes", "--out", "runs/a"]
