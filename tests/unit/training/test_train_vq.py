"""Training a VQ autoencoder: codes follow their vectors, dead codes are restarted, runs are resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import wasserflow as wf

pytest.importorskip("diffusers")

from wasserflow.training.vq import VQAutoencoder, measure_vq, perplexity, train_vq


def autoencoder(codes: int = 4, **settings: float) -> VQAutoencoder:
    torch.manual_seed(0)
    return VQAutoencoder(wf.models.vq_autoencoder(codes=codes, latent_channels=2, widths=(8, 8)), **settings)


def latents(vectors: Tensor) -> Tensor:
    """(n, 2) vectors as one sample (1, 2, n, 1)."""
    return vectors.T[None, :, :, None].contiguous()


def test_codes_are_the_moving_averages_of_their_vectors() -> None:
    """Two steps by hand: sums and counts decay apart, and their quotient is the code."""
    module = autoencoder(codes=2, decay=0.9)
    start = torch.tensor([[0.0, 0.0], [10.0, 10.0]])
    with torch.no_grad():
        module.network.quantize.embedding.weight.copy_(start)
    module.counts.fill_(1.0)
    module.sums.copy_(start)
    module.follow(latents(torch.tensor([[1.0, 1.0], [3.0, 1.0], [9.0, 9.0]])))
    torch.testing.assert_close(module.counts, torch.tensor([0.9 + 0.1 * 2, 0.9 + 0.1]))
    first = torch.tensor([0.1 * 4.0, 0.1 * 2.0]) / 1.1
    torch.testing.assert_close(module.codebook.codes, torch.stack([first, torch.tensor([9.9, 9.9])]))
    module.follow(latents(torch.tensor([[1.0, 0.0]])))
    torch.testing.assert_close(module.counts, torch.tensor([0.99 + 0.1, 0.9]))
    torch.testing.assert_close(module.codebook.codes[1], torch.tensor([9.9, 9.9]))
    torch.testing.assert_close(module.codebook.codes[0], torch.tensor([0.9 * 0.4 + 0.1, 0.9 * 0.2]) / 1.09)


def test_dead_codes_and_only_they_are_put_at_vectors_of_the_batch() -> None:
    module = autoencoder(codes=4, dead_below=0.5)
    book = torch.tensor([[0.0, 0.0], [5.0, 5.0], [6.0, 6.0], [7.0, 7.0]])
    with torch.no_grad():
        module.network.quantize.embedding.weight.copy_(book)
    vectors = torch.randn(8, 2)  # an equal share is 2 vectors a code, so dead is below 1
    module.counts.copy_(torch.tensor([4.0, 0.9, 1.1, 0.0]))
    assert module.restart_dead_codes(latents(vectors), torch.Generator().manual_seed(0)) == 2
    codes = module.codebook.codes
    assert torch.equal(codes[[0, 2]], book[[0, 2]])
    for code in codes[[1, 3]]:
        assert bool((vectors == code).all(1).any())
    assert not torch.equal(codes[1], codes[3])
    assert module.counts.tolist()[1] == module.counts.tolist()[3] == 2.0
    torch.testing.assert_close(module.sums[1], 2 * codes[1])
    assert module.restart_dead_codes(latents(vectors), torch.Generator()) == 0


def test_whitening_changes_the_latents_and_nothing_else() -> None:
    module, x = autoencoder(codes=4), torch.randn(6, 3, 8, 8)
    with torch.no_grad():
        before = module.network.encode(x).latents
        images = module.decode(before)
        module.whiten(before)
        after = module.network.encode(x).latents
        torch.testing.assert_close(module.decode(after), images, rtol=1e-4, atol=1e-4)
    vectors = after.movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(vectors.mean(0), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(vectors.T.cov(), torch.eye(2), rtol=1e-3, atol=1e-3)


def test_first_batch_gives_every_code_a_place() -> None:
    module, vectors = autoencoder(codes=4), torch.randn(3, 2)
    assert module.restart_dead_codes(latents(vectors), torch.Generator().manual_seed(0)) == 4
    assert len(module.codebook.codes.unique(dim=0)) == 3


def test_perplexity() -> None:
    torch.testing.assert_close(perplexity(torch.tensor([2.0, 2.0, 2.0, 2.0])), torch.tensor(4.0))
    torch.testing.assert_close(perplexity(torch.tensor([9.0, 0.0])), torch.tensor(1.0))
    expected = torch.tensor(2.0 ** (0.5 * 1 + 0.25 * 2 + 0.25 * 2))
    torch.testing.assert_close(perplexity(torch.tensor([2.0, 1.0, 1.0])), expected)


def blobs(n: int, seed: int) -> Tensor:
    """Images of four flat colours, one a quarter."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(0, 2, (n, 3, 2, 2), generator=generator) * 200 + 20
    return colours.repeat_interleave(4, 2).repeat_interleave(4, 3).to(torch.uint8)


OPTIONS = {"codes": 16, "widths": (16, 16), "batch_size": 16, "progress": False, "accelerator": "cpu"}


def test_an_autoencoder_learns(tmp_path: Path) -> None:
    train, held_out = blobs(200, 0), blobs(50, 1)
    settings = {"iterations": 100, "continuous": 40, "lr": 3e-3, **OPTIONS}
    module = train_vq(train, held_out, tmp_path / "run", **settings)
    assert not module.network.training
    numbers = measure_vq(module.network, held_out)
    variance = float(wf.data.images.to_float(held_out).var())
    assert numbers["mean squared error"] < 0.6 * variance
    assert 4 < numbers["perplexity"] <= numbers["used codes"] <= 16
    assert {"last.ckpt", "log"} <= {path.name for path in (tmp_path / "run").iterdir()}
    with pytest.raises(FileExistsError):
        train_vq(train, held_out, tmp_path / "run", **settings)


@pytest.mark.parametrize("at", [3, 9])  # before and after the codes come in
def test_a_resumed_run_repeats_an_uninterrupted_one(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict = {"iterations": 12, "continuous": 5, **OPTIONS}
    whole = train_vq(blobs(64, 0), blobs(8, 1), tmp_path / "whole", **settings).state_dict()
    step = VQAutoencoder.training_step

    def interrupted(self: VQAutoencoder, *batch: object) -> Tensor:
        if self.global_step == at:
            raise KeyError("power cut")
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(VQAutoencoder, "training_step", interrupted)
        with pytest.raises(KeyError, match="power cut"):
            train_vq(blobs(64, 0), blobs(8, 1), tmp_path / "cut", **settings)
    assert torch.load(tmp_path / "cut" / "last.ckpt", weights_only=True)["global_step"] == at
    resumed = train_vq(blobs(64, 0), blobs(8, 1), tmp_path / "cut", resume=True, **settings).state_dict()
    assert {"counts", "sums"} < set(whole)
    assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == []
    other = train_vq(blobs(64, 0), blobs(8, 1), tmp_path / "seed", seed=1, **settings).state_dict()
    assert not torch.equal(whole["sums"], other["sums"])


def test_measures_are_those_of_the_reconstructions() -> None:
    vq = wf.models.vq_autoencoder(codes=8, widths=(8, 8)).eval()
    images = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    x = wf.data.images.to_float(images)
    with torch.no_grad():
        error = float((vq(x).sample - x).square().mean())
    numbers = measure_vq(vq, images)
    assert numbers["mean squared error"] == pytest.approx(error, rel=1e-4)
    assert numbers["PSNR, dB"] == pytest.approx(10 * torch.tensor(4 / error).log10().item(), rel=1e-4)
