"""Weights go to disk and come back: halved where asked, and without what a shipped file holds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import wasserflow as wf
from wasserflow.models import weight_files
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

RECIPE = Recipe("mlp_critic", {"width": 8})
CARD = Card("tiny", "A tiny critic.", "none", "none", "untrained", {"critic": RECIPE})


@pytest.fixture
def lender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """A critic that counts as shipped, under the name of `tiny`."""
    monkeypatch.setattr(weight_files, "SHIPPED", tmp_path)
    critic = wf.models.mlp_critic(width=8)
    save_pretrained(tmp_path / "tiny", CARD, {"critic": critic})
    return critic


def test_half_of_the_bytes_and_the_same_numbers_but_for_rounding(tmp_path: Path) -> None:
    critic = wf.models.mlp_critic(width=64)
    save_pretrained(tmp_path / "whole", CARD_64, {"critic": critic})
    save_pretrained(tmp_path / "half", CARD_64, {"critic": critic}, half=True)
    whole, half = (tmp_path / name / "critic.safetensors" for name in ("whole", "half"))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    for name, value in load_pretrained(tmp_path / "half").critic.state_dict().items():
        assert value.dtype == torch.float32
        expected = critic.state_dict()[name]
        torch.testing.assert_close(value, expected, rtol=2**-11, atol=1e-7)
        assert value.dim() > 1 or torch.equal(value, expected), "vectors keep all their digits"


CARD_64 = replace(CARD, networks={"critic": Recipe("mlp_critic", {"width": 64})})


def test_half_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    critic = wf.models.mlp_critic(width=8)
    with torch.no_grad():
        critic[0].weight[0, 0] = 1e6
    with pytest.raises(ValueError, match=r"0\.weight reaches 1e\+06"):
        save_pretrained(tmp_path / "half", CARD, {"critic": critic}, half=True)


def test_what_is_borrowed_is_not_in_the_file_and_comes_back(tmp_path: Path, lender: torch.nn.Module) -> None:
    borrower = wf.models.mlp_critic(width=8)
    borrower[2].load_state_dict(lender[2].state_dict())
    card = replace(CARD, name="borrower", borrowed={"critic/2": "tiny/critic/2"})
    save_pretrained(tmp_path / "borrower", card, {"critic": borrower})
    assert not any(key.startswith("2.") for key in load_file(tmp_path / "borrower" / "critic.safetensors"))
    loaded = load_pretrained(tmp_path / "borrower").critic
    for name, value in borrower.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_whole_network_can_be_borrowed(tmp_path: Path, lender: torch.nn.Module) -> None:
    card = replace(CARD, name="borrower", borrowed={"critic": "tiny/critic"})
    save_pretrained(tmp_path / "borrower", card, {"critic": lender})
    assert not load_file(tmp_path / "borrower" / "critic.safetensors")
    for name, value in load_pretrained(tmp_path / "borrower").critic.state_dict().items():
        assert torch.equal(lender.state_dict()[name], value), name


def test_what_differs_cannot_be_borrowed(tmp_path: Path, lender: torch.nn.Module) -> None:
    card = replace(CARD, name="borrower", borrowed={"critic/2": "tiny/critic/2"})
    with pytest.raises(ValueError, match=r"2\.weight of critic is to be borrowed"):
        save_pretrained(tmp_path / "borrower", card, {"critic": wf.models.mlp_critic(width=8)})


def test_a_lender_that_is_gone_is_named(tmp_path: Path, lender: torch.nn.Module) -> None:
    card = replace(CARD, name="borrower", borrowed={"critic/2": "tiny/critic/2"})
    borrower = wf.models.mlp_critic(width=8)
    borrower.load_state_dict(lender.state_dict())
    save_pretrained(tmp_path / "borrower", card, {"critic": borrower})
    gone = tmp_path / "tiny" / "critic.safetensors"
    gone.unlink()
    with pytest.raises(ValueError, match=re.escape(str(gone))):
        load_pretrained(tmp_path / "borrower")
