"""Every script of examples/ runs as it is, says a number, and leaves the picture that it names."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

SCRIPTS = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
NEEDS = {"climb_a_reward.py": "transformers"}


def test_there_are_examples() -> None:
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    if script.name in NEEDS:
        pytest.importorskip(NEEDS[script.name])
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert re.search(r"\d\.\d", said)
    (shown,) = re.findall(r"open (\S+)", said)
    assert (tmp_path / shown).stat().st_size > 1_000
