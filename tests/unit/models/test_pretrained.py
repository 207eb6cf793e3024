"""Models on disk: what is saved comes back as the same function, and loading disturbs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import wasserflow as wf
from wasserflow.models import mlp_critic, mlp_generator
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained


def card(**arguments: object) -> Card:
    return Card("tiny", "", "", "", "", {"critic": Recipe("mlp_critic", {"width": 4} | arguments)})


def test_a_slope_is_kept(tmp_path: Path) -> None:
    critic = mlp_critic(width=4, negative_slope=0.2)
    save_pretrained(tmp_path / "leaky", card(negative_slope=0.2), {"critic": critic})
    x = torch.randn(20, 2)
    assert torch.equal(load_pretrained(tmp_path / "leaky").critic(x), critic(x))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            lambda: mlp_critic(width=4, negative_slope=0.2),
            r"`1: ReLU\(\)` in place of `1: LeakyReLU\(negative_slope=0\.2\)`",
        ),
        (lambda: mlp_critic(width=4, layers=4), "`6: Linear.*out_features=1.*in place of .*out_features=4"),
        (lambda: mlp_critic(width=5), "out_features=4, bias=True\\)` in place of `.*out_features=5"),
        (lambda: mlp_generator(event=1, width=4), "`7: Flatten.*in place of `nothing`"),
        (lambda: Weighted(), r"`: Sequential\(\)` in place of `: Weighted\(\)`"),
    ],
)
def test_a_network_that_its_recipe_does_not_build_is_refused(tmp_path: Path, network: object, message: str) -> None:
    with pytest.raises(ValueError, match=rf"the recipe of 'critic', mlp_critic with .*{message}"):
        save_pretrained(tmp_path / "other", card(), {"critic": network()})
    assert list(tmp_path.iterdir()) == []


class Weighted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))


@pytest.mark.usefixtures("unchecked_annotations")
def test_a_function_is_no_argument_of_a_card(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="the card of 'tiny' holds what JSON cannot"):
        save_pretrained(tmp_path / "other", card(activation=nn.SiLU), {"critic": mlp_critic(width=4)})


def test_saving_and_loading_draw_no_random_numbers(tmp_path: Path) -> None:
    critic = mlp_critic(width=4)
    before = torch.get_rng_state()
    save_pretrained(tmp_path / "tiny", card(), {"critic": critic})
    wf.zoo.load(tmp_path / "tiny")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_model_loaded_where_gradients_are_off_can_be_refined(mode: type) -> None:
    with mode():
        pair = wf.zoo.load("25gaussians")
        z = pair.prior.sample(4, seed=0)
        inside = wf.refine(pair.critic, z, pair.generator, steps=2).samples
    assert torch.equal(wf.refine(pair.critic, z, pair.generator, steps=2).samples, inside)
    assert all(p.requires_grad and not p.is_inference() for p in pair.critic.parameters())
