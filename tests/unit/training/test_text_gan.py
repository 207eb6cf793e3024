"""A GAN of strings: what its critic is shown, what is measured on the way, and that a resumed run is the same run."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from wasserflow.data.text import Alphabet, passages
from wasserflow.metrics import ngram_divergence
from wasserflow.spaces import Normal
from wasserflow.training.text_gan import TextBatches, train_text_gan
from wasserflow.training.wgan_gp import WGANGP

ALPHABET = Alphabet("`? abcdeh")
STRINGS = passages(["a bad cab had a bead", "he had a bad head", "each ace had a deed"] * 4, 8, overlapping=True)
HELD_OUT = passages(["a cab had a head", "he fed a bee"], 8)
SMALL: dict[str, Any] = {
    "width": 4,
    "latent_dim": 3,
    "batch_size": 4,
    "critic_steps": 2,
    "checkpoint_every": 4,
    "measure_every": 100,
    "accelerator": "cpu",
    "progress": False,
}


def trained(out: Path, iterations: int, **more: Any) -> WGANGP:
    return train_text_gan(STRINGS, HELD_OUT, ALPHABET, out, iterations=iterations, **{**SMALL, **more})


def weights(gan: WGANGP) -> Tensor:
    return torch.cat([p.detach().flatten() for p in gan.parameters()])


def test_the_critic_is_shown_probabilities_of_the_training_strings() -> None:
    batches = TextBatches(ALPHABET.encode(STRINGS, 8), len(ALPHABET), batch_size=6, iterations=1)
    shown = batches.on_after_batch_transfer(next(iter(batches.loader(start=0))), 0)
    assert shown.shape == (6, 8, len(ALPHABET))
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    assert set(ALPHABET.decode(shown)) <= set(STRINGS)


def test_what_is_measured_is_the_divergence_of_what_is_written(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    gan = trained(tmp_path / "run", iterations=6, measure_every=3)
    assert torch.equal(state, torch.get_rng_state())
    with torch.no_grad():
        written = ALPHABET.decode(gan.generator(Normal(3).sample(2_000, seed=0)))
    known = ALPHABET.decode(ALPHABET.encode(HELD_OUT, 8))
    rows = [row.split(",") for row in (tmp_path / "run/log/version_0/metrics.csv").read_text().splitlines()]
    logged = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    last = next(row for row in logged if row["step"] == "6" and row["js4"])
    for n in (4, 6):
        assert float(last[f"js{n}"]) == pytest.approx(ngram_divergence(written, known, n), rel=1e-6)
    assert (tmp_path / "run/samples/6.txt").read_text().splitlines() == written[:100]
    assert (tmp_path / "run/curve.png").is_file()


def test_the_critic_is_left_centred(tmp_path: Path) -> None:
    gan = trained(tmp_path / "run", iterations=4, lr=1e-2, seed=5)
    with torch.no_grad():
        real = gan.critic(ALPHABET.one_hot(HELD_OUT, 8)).mean().item()
        fake = gan.critic(gan.generator(Normal(3).sample(len(HELD_OUT), seed=5))).mean().item()
    assert real == pytest.approx(-fake, abs=1e-5)
    assert abs(real) > 1e-3


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_resumed_run_repeats_an_uninterrupted_one(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tmp_path / "whole", iterations=11, precision=precision, decay=0.5)
    step = WGANGP.training_step

    def interrupted(self: WGANGP, batch: Any, batch_idx: int) -> None:
        if self.global_step == 9:
            raise RuntimeError("the power went out")
        step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(WGANGP, "training_step", interrupted)
        with pytest.raises(RuntimeError, match="the power went out"):
            trained(tmp_path / "parts", iterations=11, precision=precision, decay=0.5)
    resumed = trained(tmp_path / "parts", iterations=11, precision=precision, decay=0.5, resume=True)
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(
        weights(whole), weights(trained(tmp_path / "other", 11, precision=precision, decay=0.5, seed=1))
    )
    assert not torch.equal(weights(whole), weights(trained(tmp_path / "steady", 11, precision=precision)))


def test_in_half_precision_every_update_of_the_critic_sees_the_one_before(tmp_path: Path) -> None:
    # Autocast copies the weights once a training step, unless it is told that they have changed.
    runs = [trained(tmp_path / p, 3, precision=p, critic_steps=8, lr=0.02) for p in ("32-true", "bf16-mixed")]
    start = trained(tmp_path / "start", 1, lr=0.0)
    full, half = (weights(run) - weights(start) for run in runs)
    assert torch.nn.functional.cosine_similarity(full, half, dim=0) > 0.9


def test_text_that_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(ValueError, match=r"of the lengths \[3, 8\]; give some of both, all of one length"):
        train_text_gan([*STRINGS, "abc"], HELD_OUT, ALPHABET, out, **SMALL)
    with pytest.raises(ValueError, match="and 0 held out"):
        train_text_gan(STRINGS, [], ALPHABET, out, **SMALL)
    with pytest.raises(ValueError, match=r"there are 3 strings to learn from, and one iteration takes .* = 8"):
        train_text_gan(STRINGS[:3], HELD_OUT, ALPHABET, out, **SMALL)
    assert not out.exists()


def test_the_defaults_are_the_published_settings() -> None:
    defaults = {name: p.default for name, p in inspect.signature(train_text_gan).parameters.items()}
    published = {"width": 512, "critic_steps": 10, "penalty": 10.0, "lr": 1e-4, "betas": (0.5, 0.9), "batch_size": 64}
    assert {name: defaults[name] for name in published} == published
