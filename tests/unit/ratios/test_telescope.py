"""Telescoped log-ratios add, keep gradients and come back from disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import wasserflow as wf
from toys import mlp_critic
from wasserflow.models import mlp_critic as saved_critic
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

X = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_telescoping_adds() -> None:
    a, b = mlp_critic(), mlp_critic(column=True)
    both = wf.telescope(a, b)
    torch.testing.assert_close(both(X), a(X) + b(X)[:, 0])
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(both(x).sum(), x)
    (expected,) = torch.autograd.grad((a(x) + b(x)[:, 0]).sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_telescoping_three_gaussians_is_the_direct_log_ratio() -> None:
    def between(a: float, b: float) -> object:
        return lambda x: ((x - b).square() - (x - a).square()).sum(1) / 2

    torch.testing.assert_close(wf.telescope(between(2, 1), between(1, -1))(X), between(2, -1)(X))


def test_modules_are_kept_and_found() -> None:
    a, b = mlp_critic(), nn.Sequential(nn.Dropout(0.5), mlp_critic()).train()
    both = wf.telescope(a, b)
    assert (both.critic, both.corrector) == (a, b)
    assert [a.training, b.training] == [False, True]
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        wf.refine(both, X, steps=1)
    (fast,) = wf.prepare(both.eval())
    torch.testing.assert_close(fast(X), both(X))


def test_it_is_saved_with_its_parts(tmp_path: Path) -> None:
    part = Recipe("mlp_critic", {"width": 8})
    made = wf.ratios.Calibrated(wf.telescope(saved_critic(width=8), saved_critic(width=8)), 2.0, 1.0).eval()
    recipe = Recipe("Calibrated", {"critic": Recipe("Telescoped", {"critic": part, "corrector": part})})
    card = Card("both", "untrained", "none", "none", "none", {"critic": recipe})
    save_pretrained(tmp_path / "both", card, {"critic": made})
    again = load_pretrained(tmp_path / "both").critic
    x = X.float()
    assert torch.equal(again(x), made(x))
    assert not again.training


@pytest.mark.usefixtures("unchecked_annotations")
def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="the corrector is a float; give"):
        wf.telescope(mlp_critic(), 1.0)
