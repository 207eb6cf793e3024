"""Where flows begin: a normal law fitted to data, a data set, a generator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import wasserflow as wf
from wasserflow.spaces import Gaussian, Generated, Samples, Source


def data(n: int = 2_500, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 6, generator=generator)
    return (torch.randn(n, 6, generator=generator) @ mixing + 3).reshape(n, 1, 2, 3).to(dtype)


def test_the_fit_has_the_moments_of_the_data() -> None:
    x = data()
    law = wf.fit_gaussian(x)
    flat = x.double().flatten(1)
    torch.testing.assert_close(law.mean.double(), flat.mean(0), rtol=1e-6, atol=1e-6)
    expected = flat.T.cov(correction=0) + 1e-4 * torch.eye(6)
    torch.testing.assert_close(law.covariance().double(), expected, rtol=1e-5, atol=1e-5)


def test_samples_have_the_moments_of_the_fit() -> None:
    law = wf.fit_gaussian(data())
    x = law.sample(50_000, seed=1)
    assert x.shape == (50_000, 1, 2, 3)
    flat = x.flatten(1)
    scale = law.covariance().diagonal().sqrt()
    assert ((flat.mean(0) - law.mean) / scale).abs().max() < 0.02
    assert ((flat.T.cov() - law.covariance()) / torch.outer(scale, scale)).abs().max() < 0.03


def test_every_kind_of_data_gives_the_same_fit() -> None:
    x = data()
    labels = torch.zeros(len(x))
    expected = wf.fit_gaussian(x)
    sets = {
        "data set": TensorDataset(x),
        "labelled": TensorDataset(x, labels),
        "loader": DataLoader(TensorDataset(x, labels), batch_size=700),
        "generator": (part for part in x.split(900)),
    }
    for name, given in sets.items():
        law = wf.fit_gaussian(given)
        torch.testing.assert_close(law.mean, expected.mean, rtol=1e-6, atol=1e-6, msg=name)
        torch.testing.assert_close(law.factor, expected.factor, rtol=1e-5, atol=1e-5, msg=name)


def test_moments_keep_their_digits_far_from_the_origin() -> None:
    x = data(dtype=torch.float64)
    torch.testing.assert_close(
        wf.fit_gaussian(x + 1e6).covariance(), wf.fit_gaussian(x).covariance(), rtol=1e-4, atol=1e-5
    )


def test_pixels_that_never_vary_have_the_shrinkage() -> None:
    x = data()
    x[:, 0, 0, 0] = -1.0
    law = wf.fit_gaussian(x)
    assert law.covariance()[0, 0].item() == pytest.approx(1e-4, rel=1e-4)
    assert wf.fit_gaussian(x, shrinkage=0.04).covariance()[0, 0].item() == pytest.approx(0.04, rel=1e-4)


def test_samples_are_clamped_only_where_asked() -> None:
    x = data()
    free, held = wf.fit_gaussian(x).sample(100, seed=3), wf.fit_gaussian(x, clamp=(-1, 2.5)).sample(100, seed=3)
    assert free.max() > 2.5
    torch.testing.assert_close(held, free.clamp(-1, 2.5), rtol=0, atol=0)


def test_a_fit_is_saved_with_its_module() -> None:
    law = wf.fit_gaussian(data())
    other = Gaussian((1, 2, 3))
    other.load_state_dict(law.state_dict())
    assert torch.equal(other.sample(5, seed=0), law.sample(5, seed=0))
    assert law.factor.numel() == 21
    assert torch.equal(Gaussian(2).covariance(), torch.eye(2))


SOURCES: dict[str, Source] = {
    "fitted": wf.fit_gaussian(data()),
    "samples": Samples(data()),
    "generator": Generated(nn.Sequential(nn.Linear(4, 6), nn.Tanh()).eval(), wf.spaces.Normal(4), batch_size=3),
    "box": wf.spaces.Box(-1, 1, 6),
}


@pytest.mark.parametrize("name", SOURCES)
def test_each_sample_depends_on_its_own_seed(name: str) -> None:
    source = SOURCES[name]
    assert isinstance(source, Source)
    x, seeds = source.sample(40, seed=7), wf.sample_seeds(7, 40)
    torch.testing.assert_close(source.sample(40, seed=7), x, rtol=0, atol=0)
    torch.testing.assert_close(source.sample(3, seed=seeds[20:23]), x[20:23], rtol=1e-5, atol=1e-5)
    assert not torch.equal(source.sample(40, seed=8), x)


def test_a_data_set_is_drawn_evenly() -> None:
    drawn = Samples(torch.arange(5.0)[:, None]).sample(10_000, seed=0)
    counts = torch.bincount(drawn[:, 0].long(), minlength=5)
    assert (counts - 2000).abs().max() < 200  # five standard deviations


def test_no_samples_are_an_empty_batch() -> None:
    generated = wf.spaces.Generated(torch.nn.Linear(3, 2).eval(), wf.spaces.Normal(3))
    assert generated.sample(0).shape == (0, 2)


def test_generated_samples_are_the_generators() -> None:
    generator = nn.Linear(4, 2).eval()
    source = Generated(generator, wf.spaces.Normal(4))
    x = source.sample(9, seed=2)
    torch.testing.assert_close(x, generator(wf.spaces.Normal(4).sample(9, seed=2)).detach())
    assert not x.requires_grad
    with pytest.raises(ValueError, match="train mode"):
        Generated(nn.Sequential(nn.BatchNorm1d(4)).train(), wf.spaces.Normal(4)).sample(2)


def test_refusals(unchecked_annotations: None) -> None:
    with pytest.raises(ValueError, match="there are 1 samples; a covariance needs at least 2"):
        wf.fit_gaussian(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="there are 0 samples"):
        wf.fit_gaussian([])
    with pytest.raises(TypeError, match=r"torch.uint8; .*floating-point"):
        wf.fit_gaussian(torch.zeros(4, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="NaN or infinite in sample 1"):
        wf.fit_gaussian(torch.tensor([[0.0], [torch.nan]]))
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        wf.fit_gaussian([torch.zeros(2, 2), torch.zeros(2, 3)])
    with pytest.raises(ValueError, match="shrinkage is 0"):
        wf.fit_gaussian(torch.zeros(4, 2), shrinkage=0)
    with pytest.raises(ValueError, match=r"clamp is \(1, -1\)"):
        wf.fit_gaussian(torch.zeros(4, 2), clamp=(1, -1))
    with pytest.raises(ValueError, match=r"\(0, 2\)"):
        Samples(torch.zeros(0, 2))
