"""Models of any kind a user may bring: bound labels, several latents, and critics of every make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from toys import mlp_critic
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

F64 = {"rtol": 1e-12, "atol": 1e-12}
CENTRES = torch.tensor([[4.0, 0.0], [0.0, 4.0], [-4.0, -4.0]], dtype=torch.float64)


class Conditional(nn.Module):
    """g(z, y) = z matrix' + centre of y, with the labels as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2, dtype=torch.float64)
        self.eval()

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        return self.linear(z) + CENTRES[labels]


class OneHot(Conditional):
    """The same with one-hot labels, as StyleGAN takes them."""

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.linear(z) + c @ CENTRES


class Projection(nn.Module):
    """A class-conditional critic: high where a sample is near the centre of its class."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return -(x - CENTRES[labels] - 1).square().sum(1, keepdim=True)


def latents(n: int = 6) -> Tensor:
    return torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


def refine(critic: Any, z: Tensor, generator: Any) -> Any:
    return wf.refine(critic, z, generator, steps=4)


def ddls(critic: Any, z: Tensor, generator: Any) -> Any:
    return wf.methods.ddls(critic, z, generator, prior=wf.spaces.Normal(2), steps=4)


def dot(critic: Any, z: Tensor, generator: Any) -> Any:
    return wf.methods.dot(critic, z, generator, prior=wf.spaces.Normal(2), lipschitz=2.0, steps=4)


def gmi(critic: Any, z: Tensor, generator: Any) -> Any:
    weights = (0.0, 0.0, 0.1)
    return wf.methods.gmi(generator, z, log_likelihood=critic, weights=weights, steps=4, batch_size=4)


METHODS = [refine, ddls, dot, gmi]


@pytest.mark.parametrize("call", [Conditional.__call__, lambda g, z, y: g(z, labels=y)])
@pytest.mark.parametrize("method", METHODS)
def test_labels_of_one_a_sample_are_one_label_at_a_time(method: Callable, call: Callable) -> None:
    """A sample of class c moves as it does among samples of c only, whatever group it is in."""
    network, z = Conditional(), latents()
    argument = None if call is Conditional.__call__ else "labels"
    mixed = method(
        wf.models.bind_label(Projection(), LABELS), z, wf.models.bind_label(network, LABELS, argument=argument)
    )
    for label in range(3):
        alone = method(
            wf.models.bind_label(Projection(), label),
            z,
            lambda z, label=label: call(network, z, torch.full((len(z),), label)),
        )
        of_class = label == LABELS
        torch.testing.assert_close(mixed.samples[of_class], alone.samples[of_class], **F64)
        torch.testing.assert_close(mixed.particles[of_class], alone.particles[of_class], **F64)
        assert bool((alone.particles != z).any())


def test_groups_that_repel_keep_their_labels() -> None:
    network, z = Conditional(), latents()
    both = wf.methods.gmi(wf.models.bind_label(network, LABELS), z, weights=(0.3, 0, 0), steps=3, batch_size=3)
    for rows in (slice(0, 3), slice(3, 6)):
        bound = wf.models.bind_label(network, LABELS[rows])
        alone = wf.methods.gmi(bound, z[rows], weights=(0.3, 0, 0), steps=3)
        torch.testing.assert_close(both.samples[rows], alone.samples, **F64)


def test_a_class_for_each_sample_follows_it_into_its_group() -> None:
    """`wf.classifier_log_ratio` too takes labels of one a sample."""
    classifier, z = nn.Linear(2, 3, dtype=torch.float64).eval(), latents()
    likelihood = wf.classifier_log_ratio(classifier, LABELS, classes=3)
    cut = wf.methods.gmi(None, z, log_likelihood=likelihood, weights=(0, 0, 0.5), steps=3, batch_size=2)
    whole = wf.methods.gmi(None, z, log_likelihood=likelihood, weights=(0, 0, 0.5), steps=3)
    torch.testing.assert_close(cut.samples, whole.samples, **F64)


def test_one_hot_labels() -> None:
    numbers, hot, z = Conditional(), OneHot(), latents()
    hot.load_state_dict(numbers.state_dict())
    for label in (1, LABELS):
        a = wf.models.bind_label(numbers, label)(z)
        torch.testing.assert_close(wf.models.bind_label(hot, label, classes=3)(z), a, **F64)
        torch.testing.assert_close(wf.models.bind_label(hot, label, argument="c", classes=3)(z), a, **F64)


def test_the_network_inside_is_seen() -> None:
    norm = nn.BatchNorm1d(2, dtype=torch.float64)
    for network in (BatchNorm(norm), lambda z, y: norm(z)):
        with pytest.raises(ValueError, match="train mode"):
            wf.refine(lambda x: x.sum(1), latents(), wf.models.bind_label(network, 0), steps=1)
    bound = wf.models.bind_label(Conditional(), LABELS)
    fast, _ = wf.prepare(bound, mlp_critic())
    torch.testing.assert_close(fast(latents()), bound(latents()), **F64)
    assert list(bound.to(torch.float32).state_dict()) == ["network.linear.weight", "network.linear.bias"]


class BatchNorm(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.norm(z)


def test_a_bound_label_is_saved_in_a_card(tmp_path: Path) -> None:
    network = {"make": "ClassResNetGenerator", "arguments": {"widths": [8, 4], "classes": 3, "latent_dim": 2}}
    recipe = Recipe("BoundLabel", {"network": network, "label": 2})
    generator = wf.models.ClassResNetGenerator((8, 4), classes=3, latent_dim=2).eval()
    torch.nn.init.normal_(generator.blocks[0].norms[0].scale.weight)  # else all classes are alike
    card = Card("third", "", "", "", "", {"generator": recipe})
    save_pretrained(tmp_path / "third", card, {"generator": wf.models.bind_label(generator, 2)})
    z = torch.randn(2, 2)
    images = load_pretrained(tmp_path / "third").generator(z)
    assert torch.equal(images, generator(z, torch.tensor([2, 2])))
    assert not torch.equal(images, generator(z, torch.tensor([1, 1])))


def test_labels_that_cannot_be() -> None:
    network = Conditional()
    with pytest.raises(ValueError, match="label is -1; give 0 or more"):
        wf.models.bind_label(network, -1)
    with pytest.raises(ValueError, match="label is 3; give 0 to 2, as there are 3 classes"):
        wf.models.bind_label(network, torch.tensor([0, 3]), classes=3)
    with pytest.raises(ValueError, match="6 labels for 5 samples; give one, or one a sample"):
        wf.refine(mlp_critic(), latents(5), wf.models.bind_label(network, LABELS))


@pytest.mark.usefixtures("unchecked_annotations")
@pytest.mark.parametrize("label", [1.0, True, torch.tensor([0.5]), torch.zeros(2, 2).long(), torch.zeros(0).long()])
def test_labels_of_another_kind(label: Any) -> None:
    with pytest.raises(TypeError, match="give an int, or a tensor"):
        wf.models.bind_label(Conditional(), label)
    with pytest.raises(TypeError, match="the network is a str"):
        wf.models.bind_label("network", 0)


class TwoInputs(nn.Module):
    """A generator of a content and a style, as keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.content, self.style = nn.Linear(2, 2, dtype=torch.float64), nn.Linear(3, 2, dtype=torch.float64)
        self.eval()

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        return self.content(content) * (1 + 0.1 * self.style(style.flatten(1)))


SPACE = wf.spaces.Product(content=wf.spaces.Normal(2), style=wf.spaces.Box(-1, 1, (3, 1)))
NETWORK = TwoInputs()
CALLS = {
    "keywords": lambda z: NETWORK(**SPACE.split(z)),
    "positions": lambda z: NETWORK(*SPACE.split(z).values()),
    "dictionary": lambda z: (lambda parts: NETWORK(parts["content"], parts["style"]))(SPACE.split(z)),
}


@pytest.mark.parametrize("generator", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("method", METHODS)
def test_several_latents_move_together(method: Callable, generator: Callable) -> None:
    critic = mlp_critic()
    z = SPACE.sample(6, seed=2, dtype=torch.float64)
    if method is ddls:
        r = wf.methods.ddls(critic, z, generator, prior=SPACE, step_size=0.5, steps=9)
    elif method is dot:
        r = wf.methods.dot(critic, z, generator, prior=SPACE, lipschitz=0.1, steps=9)
    elif method is gmi:
        r = wf.methods.gmi(generator, z, log_likelihood=critic, weights=(0, 0, 0.1), space=SPACE, batch_size=4)
    else:
        r = wf.refine(critic, z, generator, space=SPACE)
    assert SPACE.split(r.particles)["style"].abs().max() <= 1
    for before, after in zip(SPACE.split(z).values(), SPACE.split(r.particles).values(), strict=True):
        assert bool((before != after).flatten(1).any(1).all())
    if method is not ddls:  # which draws samples, so that some may be worse
        assert critic(r.samples).mean() > critic(generator(z)).mean()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in NETWORK.parameters())


LOGIT = mlp_critic()
CRITICS = {
    "(batch, 1)": lambda x: LOGIT(x)[:, None],
    "tuple": lambda x: (LOGIT(x), x),
    "list": lambda x: [LOGIT(x)[:, None], x],
    "probabilities": wf.ratios.probability_log_ratio(lambda x: LOGIT(x).sigmoid()),
    "probabilities (batch, 1)": wf.ratios.probability_log_ratio(lambda x: LOGIT(x).sigmoid()[:, None]),
    "probabilities of a network": wf.ratios.probability_log_ratio(nn.Sequential(LOGIT, nn.Sigmoid())),
}


@pytest.mark.parametrize("critic", CRITICS.values(), ids=CRITICS)
@pytest.mark.parametrize("method", METHODS)
def test_critics_of_every_make(method: Callable, critic: Callable) -> None:
    generator = wf.models.bind_label(Conditional(), LABELS)
    plain, ours = method(LOGIT, latents(), generator), method(critic, latents(), generator)
    torch.testing.assert_close(ours.samples, plain.samples, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_rounded_to_0_or_1_leave_samples_where_they_are(dtype: torch.dtype) -> None:
    log_ratio = wf.ratios.probability_log_ratio(lambda x: x[:, 0].sigmoid())
    x = torch.tensor([[-2000.0], [0.5], [2000.0]], dtype=dtype)
    r = wf.refine(log_ratio, x, integrator=wf.EulerMaruyama(0.1), steps=1)
    torch.testing.assert_close(r.samples, x + torch.tensor([[0.0], [0.1], [0.0]], dtype=dtype))
    assert bool(log_ratio(x).isfinite().all())


def test_logits_are_no_probabilities() -> None:
    with pytest.raises(ValueError, match=r"returned -2; probabilities lie between 0 and 1: if these are logits"):
        wf.ratios.probability_log_ratio(lambda x: x[:, 0])(torch.tensor([[-2.0], [0.5]]))
    with pytest.raises(ValueError, match=r"returned 1\.5"):
        wf.ratios.probability_log_ratio(lambda x: x[:, 0])(torch.tensor([[1.5], [0.5]]))


def test_probabilities_that_are_nan_end_the_flow_with_its_last_state() -> None:
    log_ratio = wf.ratios.probability_log_ratio(
        lambda x: x[:, 0].sigmoid() * (1 - x[:, 0]).sqrt() / (1 - x[:, 0]).sqrt()
    )
    with pytest.raises(wf.FlowDiverged, match="sample 0 is NaN"):
        wf.refine(log_ratio, torch.tensor([[0.95], [0.0]]), integrator=wf.EulerMaruyama(0.1), steps=5)


@pytest.mark.usefixtures("unchecked_annotations")
def test_something_that_is_no_discriminator() -> None:
    with pytest.raises(TypeError, match="the discriminator is a float"):
        wf.ratios.probability_log_ratio(0.5)
    with pytest.raises(TypeError, match="the critic returned a tuple"):
        wf.refine(lambda x: (), torch.zeros(2, 2))
