"""Guidance by text, on an encoder whose numbers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import wasserflow as wf
from wasserflow.potentials import ClipLogProbability, ClipSimilarity

ANGLES = {"east": 0.0, "north": math.pi / 2, "north-east": math.pi / 4, "west": math.pi}


class Compass(nn.Module):
    """A sample (2,) is encoded as its direction, a prompt as that of its name."""

    def __init__(self, scale: float = 3.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(2, dtype=torch.float64))
        self.scale = torch.tensor(scale, dtype=torch.float64)
        self.asked: list[Sequence[str]] = []

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        self.asked.append(prompts)
        angles = torch.tensor([ANGLES[prompt] for prompt in prompts], dtype=torch.float64)
        return torch.stack([angles.cos(), angles.sin()], dim=1) @ self.weight

    def forward(self, x: Tensor) -> Tensor:
        return normalize(x @ self.weight, dim=1)


def samples(n: int = 5) -> Tensor:
    return torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_similarity_is_the_weighted_cosine() -> None:
    x = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], dtype=torch.float64)
    expected = torch.tensor([1.0, 0.0, math.sqrt(0.5)], dtype=torch.float64)
    torch.testing.assert_close(ClipSimilarity(Compass(), ["east"])(x), expected)
    torch.testing.assert_close(ClipSimilarity(Compass(), ["east"], weight=2.5)(x), 2.5 * expected)
    # Several prompts: the mean of their cosines, not the cosine of their mean.
    both = ClipSimilarity(Compass(), ["east", "north"])(x)
    torch.testing.assert_close(both, torch.tensor([0.5, 0.5, math.sqrt(0.5)], dtype=torch.float64))
    assert not torch.allclose(ClipSimilarity(Compass(), ["north"])(x), expected)


def test_log_probability_is_the_log_softmax_of_the_scaled_cosines() -> None:
    x, names = samples(), ["north", "east", "west"]
    likelihood = ClipLogProbability(Compass(scale=3.0), names[0], against=names[1:])
    directions = torch.stack([torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])]).double()
    weights = (3.0 * normalize(x, dim=1) @ directions.T).exp()
    torch.testing.assert_close(likelihood(x).exp(), weights[:, 0] / weights.sum(dim=1))
    torch.testing.assert_close(likelihood.log_probabilities(x).exp().sum(dim=1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(
    "likelihood",
    [ClipSimilarity(Compass(), ["north-east"], weight=2.0), ClipLogProbability(Compass(), "north", ["east", "west"])],
    ids=["similarity", "log-probability"],
)
def test_contract(likelihood: nn.Module) -> None:
    x = samples().requires_grad_()
    values = likelihood(x)
    assert values.shape == (5,)
    (gradient,) = torch.autograd.grad(values.sum(), x)
    width = 1e-6
    for column in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[column] = width
        with torch.no_grad():
            slope = (likelihood(x + shift) - likelihood(x - shift)) / (2 * width)
        torch.testing.assert_close(gradient[:, column], slope, rtol=1e-6, atol=1e-7)
    for i in range(5):
        torch.testing.assert_close(likelihood(x[i : i + 1])[0], values[i], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["similarity", "log-probability"])
def test_a_flow_turns_samples_to_the_prompt_and_leaves_the_encoder_alone(kind: str) -> None:
    encoder = Compass()
    likelihood = (
        ClipSimilarity(encoder, ["north"], weight=3.0)
        if kind == "similarity"
        else ClipLogProbability(encoder, "north", against=["east"])
    )
    x = samples(20)
    x0 = x / x.norm(dim=1, keepdim=True)
    before = likelihood(x0)
    r = wf.refine(likelihood, x0, integrator=wf.EulerMaruyama(0.1), steps=20)
    assert (likelihood(r.samples) > before).double().mean() > 0.9
    assert encoder.weight.grad is None
    assert encoder.weight.requires_grad
    assert len(encoder.asked) == 1


def test_prompts_are_encoded_once_without_a_graph() -> None:
    encoder = Compass()
    likelihood = ClipSimilarity(encoder, ["north"])
    likelihood(samples())
    likelihood(samples())
    assert encoder.asked == [["north"]]
    assert not likelihood.text.requires_grad


def test_refusals(unchecked_annotations: None) -> None:
    with pytest.raises(ValueError, match=r"against is \[\]"):
        ClipLogProbability(Compass(), "north", against=[])
    with pytest.raises(ValueError, match="other prompt"):
        ClipLogProbability(Compass(), "north", against=["east", "north"])
    with pytest.raises(ValueError, match="list"):
        ClipLogProbability(Compass(), "north", against="east")
    training = nn.Sequential(nn.Dropout(0.5))
    training.text_features, training.scale = Compass().text_features, torch.tensor(1.0)
    with pytest.raises(ValueError, match="train mode"):
        ClipSimilarity(training, ["north"])
