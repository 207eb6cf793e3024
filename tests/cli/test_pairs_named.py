"""Every command that needs a pair says so in the same words, before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import feature_net, toy_pair

from wasserflow.cli.main import main
from wasserflow.cli.names.pairs import generator_named, pair_named
from wasserflow.models import mlp_generator
from wasserflow.models.pretrained import Card, Recipe, save_pretrained

COMMANDS = [
    ["refine"],
    ["compare"],
    ["train", "critic"],
    ["train", "corrector", "--generator", "points"],
    ["reproduce", "gmi"],
    ["reproduce", "25gaussians"],
    ["reproduce", "text"],
    ["reproduce", "text-guidance"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_refuse_a_classifier(tmp_path: Path, monkeypatch, capsys, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    feature_net(tmp_path / "classifier")
    toy_pair(tmp_path / "points")
    with pytest.raises(SystemExit) as stop:
        main([*words, "--model", "classifier", "--out", "run"])
    assert stop.value.code == 2
    assert "classifier has no generator of latents; give a model that has one" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_a_pair_lacks_is_named(tmp_path: Path) -> None:
    sizes = {"width": 4, "layers": 1}
    card = Card("alone", "-", "25gaussians", "-", "-", {"generator": Recipe("mlp_generator", sizes)})
    save_pretrained(tmp_path / "no-prior", card, {"generator": mlp_generator(**sizes)})
    with pytest.raises(ValueError, match="no-prior has no generator of latents"):
        generator_named(str(tmp_path / "no-prior"))
    prior = Recipe("Normal", {"shape": 2})
    card = Card("alone", "-", "25gaussians", "-", "-", {"generator": Recipe("mlp_generator", sizes)}, prior)
    save_pretrained(tmp_path / "alone", card, {"generator": mlp_generator(**sizes)})
    assert generator_named(str(tmp_path / "alone")).prior.shape == (2,)
    with pytest.raises(ValueError, match="alone has no critic; give a pair"):
        pair_named(str(tmp_path / "alone"))
    with pytest.raises(ValueError, match="pair is a model of 25gaussians; give a generator and critic of cifar10"):
        pair_named(toy_pair(tmp_path / "pair"), "cifar10")
