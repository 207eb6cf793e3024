"""Glow: its inverse, its density against autograd, and weights that survive saving."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import wasserflow as wf
from wasserflow.models import Glow, prepare
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

pytest.importorskip("normflows")

SIZES = {"image_size": 8, "image_channels": 3, "levels": 2, "depth": 2, "width": 8}


def images(n: int, size: int = 8, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(3)) * 1.8 - 0.9


def stirred(**sizes: float) -> Glow:
    """A Glow none of whose layers is the identity."""
    torch.manual_seed(0)
    glow = Glow(**{**SIZES, **sizes})
    glow.initialise(images(64, glow.shape[1], glow.shape[0]))
    with torch.no_grad():
        for parameter in glow.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return glow.eval()


@pytest.mark.parametrize("sizes", [{}, {"image_size": 28, "image_channels": 1}, {"levels": 3}, {"levels": 1}])
def test_there_and_back(sizes: dict[str, int]) -> None:
    glow = stirred(**sizes)
    x = images(5, glow.shape[1], glow.shape[0])
    z = glow.encode(x)
    assert z.shape == (5, glow.latent_dim)
    torch.testing.assert_close(glow.decode(z), x, atol=1e-4, rtol=0)
    torch.testing.assert_close(glow(z), x, atol=1e-4, rtol=0)
    z = torch.randn(5, glow.latent_dim) / 4
    inside = glow.decode(z).abs().amax((1, 2, 3)) <= 1
    assert inside.any()
    torch.testing.assert_close(glow.encode(glow(z[inside])), z[inside], atol=1e-4, rtol=0)


def test_density_is_that_of_the_change_of_variables() -> None:
    """log N(z; 0, I) + log |det dz/dx| with the whole Jacobian by autograd, in float64."""
    glow = stirred(image_size=4, image_channels=1, levels=2).double()
    x = images(2, 4, 1).double()
    for image, log_prob in zip(x, glow.log_prob(x), strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: glow.encode(v.view(1, 1, 4, 4))[0], image.flatten())
        z = glow.encode(image[None])[0]
        expected = -z.square().sum() / 2 - 8 * math.log(2 * math.pi) + torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(log_prob, expected)


def test_initialised_activations_have_zero_mean_and_unit_variance() -> None:
    glow = Glow(**SIZES)
    x = images(200)
    seen = []
    last = glow.flow.flows[-1][-2].flows[-1]  # the activation norm that an image meets first
    inverse = last.inverse
    last.inverse = lambda v: seen.append(inverse(v)[0]) or inverse(v)
    glow.initialise(x)
    glow.log_prob(x)
    torch.testing.assert_close(seen[-1].mean((0, 2, 3)), torch.zeros(12), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[-1].std((0, 2, 3)), torch.ones(12), atol=1e-4, rtol=0)


def test_only_initialise_looks_at_a_batch() -> None:
    """normflows would set its activation norms by the first batch, noise included."""
    glow = Glow(**SIZES)
    before = {name: value.clone() for name, value in glow.state_dict().items()}
    glow(torch.randn(4, 192) * 3)
    glow.log_prob(images(4))
    assert all(torch.equal(value, before[name]) for name, value in glow.state_dict().items())


def test_weights_survive_saving(tmp_path: Path) -> None:
    glow = stirred()
    card = Card("glow", "tiny", "none", "none", "none", {"generator": Recipe("Glow", SIZES)})
    save_pretrained(tmp_path / "glow", card, {"generator": glow})
    loaded = load_pretrained(tmp_path / "glow").generator
    z, x = torch.randn(3, 192), images(3)
    assert torch.equal(loaded(z), glow(z))
    assert torch.equal(loaded.log_prob(x), glow.log_prob(x))


def test_temperature_shrinks_latents_and_leaves_the_density() -> None:
    glow, cool = stirred(), stirred(temperature=0.5)
    z, x = torch.randn(3, 192), images(3)
    torch.testing.assert_close(cool(2 * z), glow(z))
    torch.testing.assert_close(cool.encode(x), 2 * glow.encode(x))
    torch.testing.assert_close(cool.log_prob(x), glow.log_prob(x))


def test_it_refines_as_a_generator() -> None:
    glow = stirred()
    (fast,) = prepare(glow)
    z = torch.randn(3, 192)
    torch.testing.assert_close(fast(z), glow(z), atol=1e-5, rtol=0)
    critic = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 1)).eval()
    run = wf.refine(critic, z, generator=fast, integrator=wf.EulerMaruyama(0.1), steps=3)
    assert (critic(run.samples) > critic(glow(z))).all()
    assert run.samples.abs().max() <= 1


def test_refusals() -> None:
    for sizes, message in (
        ({"image_size": 28, "levels": 3}, "image_size is 28, which cannot be halved 3 times; give a multiple of 8"),
        ({"levels": 0}, "levels is 0; give at least 1"),
        ({"depth": 0}, "depth is 0"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            Glow(**{**SIZES, **sizes})
    with pytest.raises(ValueError, match=r"they must be finite and in \[-1, 1\]"):
        stirred().log_prob(2 * images(2))


def test_without_the_extra_the_error_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "normflows", None)
    with pytest.raises(ImportError, match=r"wasserflow\[glow\]"):
        Glow(**SIZES)
