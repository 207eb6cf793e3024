"""What a wrong command line is told."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import wasserflow
from wasserflow.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("refine", "wasserflow refine: the following arguments are required: --model, --out"),
        ("train sndcgan", "wasserflow train sndcgan: the following arguments are required: --out"),
        ("refine --model x --out y --n abc", "wasserflow refine: --n is abc; give a whole number"),
        (
            "refine --model x --out y --batch-size 1.5",
            "wasserflow refine: --batch-size is 1.5; give a whole number or null",
        ),
        (
            "refine --model x --out y --method foo",
            "wasserflow refine: --method is foo; give dgflow, ddls, dot, mala or gmi",
        ),
        ("compare --model x --out y --methods foo", "wasserflow compare: --methods is foo; give a list"),
        (
            "reproduce dgflow --settings.step-size abc",
            "wasserflow reproduce dgflow: --settings.step-size is abc; give a number",
        ),
        ("refine --model x --out y --foo-bar 3", "wasserflow refine: unrecognized arguments: --foo-bar 3"),
        (
            "refine --model x --out y --stepsize 3",
            "wasserflow refine: unrecognized arguments: --stepsize 3; did you mean --step-size?",
        ),
        (
            "train vae --out y --itrations 3",
            "wasserflow train vae: unrecognized arguments: --itrations 3; did you mean --iterations?",
        ),
        (
            "",
            "wasserflow: give one of its commands, zoo, demo, refine, generate, translate, evaluate, compare, train, "
            "reproduce",
        ),
    ],
)
def test_what_is_wrong_is_said_in_two_lines(words: str, said: str, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines() == [said, f"all options: {said.partition(':')[0]} --help"]


@pytest.mark.parametrize("words", ["refine", "reproduce dgflow", "train wgan-gp"])
@pytest.mark.parametrize("columns", ["80", "200"])
def test_help_shows_options_as_people_type_them(words: str, columns: str, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "--" in said
    assert not re.search(r"--[\w.]*_", said)
    assert "NOT_ACCEPTED" not in said


@pytest.mark.parametrize(
    ("words", "content"), [("train wgan-gp", "outt: x"), ("reproduce dgflow", "settings: {bogus: 1}")]
)
def test_options_of_a_config_file_that_there_are_not(words: str, content: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), "--config", str(tmp_path / "config.yaml")])
    assert stop.value.code == 2
    assert "the config file has an option that the command does not take" in capsys.readouterr().err


def test_options_in_groups_of_a_config_file_may_have_dashes(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.yaml").write_text("settings:\n  step-size: abc\n")
    with pytest.raises(SystemExit):
        main(["reproduce", "dgflow", "--config", str(tmp_path / "config.yaml")])
    assert "--settings.step-size is abc; give a number" in capsys.readouterr().err


def test_the_version_is_the_library_s(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"wasserflow {wasserflow.__version__}"


def test_a_reader_that_leaves_is_no_error() -> None:
    """As `wasserflow zoo | head -1`, whose pipe is closed before all is written."""
    run = subprocess.Popen(
        [sys.executable, "-u", "-m", "wasserflow.cli", "zoo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr.read() == b""
    assert run.wait(60) == 1
