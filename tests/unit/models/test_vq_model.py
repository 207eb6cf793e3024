"""A diffusers VQModel under the library: its codes as a space, its decoder as a generator."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import wasserflow as wf
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

diffusers = pytest.importorskip("diffusers")


def autoencoder(codes: int = 16) -> diffusers.VQModel:
    torch.manual_seed(0)
    vq = wf.models.vq_autoencoder(codes=codes, widths=(8, 16), image_size=8).eval()
    with torch.no_grad():
        vq.quantize.embedding.weight.normal_()
    return vq


def test_codes_and_nearest_codes_are_the_model_s_own() -> None:
    vq, z = autoencoder(), torch.randn(3, 4, 4, 4)
    codebook = wf.spaces.Codebook(vq, shape=(4, 4))
    quantised, _, (_, _, indices) = vq.quantize(z)
    assert torch.equal(codebook.nearest(z).flatten(), indices)
    torch.testing.assert_close(codebook.quantise(z), quantised.detach())
    drawn = codebook.sample(2, seed=0)
    torch.testing.assert_close(vq.decode(drawn).sample.clamp(-1, 1), wf.models.VQDecoder(vq)(drawn))


def test_decoder_does_not_quantise_and_passes_the_gradient() -> None:
    vq, z = autoencoder(), torch.randn(2, 4, 4, 4, requires_grad=True)
    decoder = wf.models.VQDecoder(vq)
    assert not decoder.training
    images = decoder(z)
    assert images.shape == (2, 3, 8, 8)
    assert not torch.equal(images, vq.decode(z).sample.clamp(-1, 1))
    (gradient,) = torch.autograd.grad(images.square().sum(), z)
    assert bool((gradient != 0).all())


def test_inference_moves_latents_to_codes_that_the_likelihood_prefers_and_leaves_the_model_alone() -> None:
    vq = autoencoder(64)
    codebook, decoder = wf.spaces.Codebook(vq, shape=(4, 4)), wf.models.VQDecoder(vq)
    before = {name: value.clone() for name, value in vq.state_dict().items()}
    bright = lambda x: 1_000 * x.mean((1, 2, 3))  # noqa: E731
    z0 = codebook.sample(3, seed=1)
    r = wf.methods.vq_inference(
        decoder, z0, log_likelihood=bright, codebook=codebook, penalty=0.1, integrator=wf.EulerMaruyama(0.05), steps=20
    )
    assert bool((codebook.distance(r.particles) == 0).all())
    assert bool((bright(r.samples) > bright(decoder(z0))).all())
    torch.testing.assert_close(r.samples, vq.decode(r.particles).sample.clamp(-1, 1))
    assert all(torch.equal(value, before[name]) for name, value in vq.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in vq.parameters())


def test_decoded_images_are_clipped_to_their_range() -> None:
    vq = autoencoder()
    with torch.no_grad():
        vq.decoder.conv_out.bias.copy_(torch.tensor([5.0, -5.0, 0.0]))
        images = wf.models.VQDecoder(vq)(torch.randn(2, 4, 4, 4))
    assert images[:, 0].unique().tolist() == [1.0]
    assert images[:, 1].unique().tolist() == [-1.0]


def test_shape_follows_the_widths() -> None:
    vq = wf.models.vq_autoencoder(codes=8, latent_channels=3, widths=(8, 8, 16), image_size=16, image_channels=1)
    assert vq.encode(torch.zeros(1, 1, 16, 16)).latents.shape == (1, 3, 4, 4)
    assert wf.models.VQDecoder(vq)(torch.zeros(1, 3, 4, 4)).shape == (1, 1, 16, 16)


def test_saved_model_is_the_model(tmp_path: Path) -> None:
    vq, x = autoencoder(), torch.randn(2, 3, 8, 8)
    recipe = Recipe("vq_autoencoder", {"codes": 16, "widths": [8, 16], "image_size": 8})
    card = Card("tiny", "a tiny autoencoder", "none", "none", "untrained", {"model": recipe})
    save_pretrained(tmp_path / "tiny", card, {"model": vq})
    loaded = load_pretrained(tmp_path / "tiny").model
    torch.testing.assert_close(loaded(x).sample, vq(x).sample)


def test_missing_diffusers_is_said_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ImportError, match=r"wasserflow\[diffusers\]"):
        wf.models.vq_autoencoder()
