"""What a wrong command line is told."""

from __future__ import annotations

import subprocess
import sys

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
        ("refine --model x --out y --foo-bar 3", "wasserflow refine: unrecognized arguments: --foo-bar 3"),
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


def test_help_shows_options_with_dashes(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["refine", "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "--step-size STEP_SIZE" in said
    assert "--step_size" not in said


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
