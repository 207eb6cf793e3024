"""Spaces: the law of their samples, and the geometry of project, tangent and energy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest, norm, uniform
from torch import Tensor

import wasserflow as wf
from wasserflow.seeds import Noise

ALPHA, N = 1e-5, 20_000
SPACES = {
    "normal": wf.spaces.Normal(3),
    "box": wf.spaces.Box(-0.5, 2.0, shape=3),
    "sphere": wf.spaces.Sphere(3),
    "product": wf.spaces.Product(w=wf.spaces.Normal(2), style=wf.spaces.Box(-1.0, 1.0, 1), s=wf.spaces.Sphere(3)),
}


def law(name: str):
    # Archimedes: a coordinate of a uniform point on the sphere in three dimensions is uniform on [-1, 1].
    return {"normal": norm.cdf, "box": uniform(-0.5, 2.5).cdf, "sphere": uniform(-1, 2).cdf}[name]


@pytest.mark.parametrize("name", ["normal", "box", "sphere"])
def test_samples_have_the_prior_s_law(name: str) -> None:
    x = SPACES[name].sample(N, seed=1, dtype=torch.float64)
    for column in range(3):
        assert kstest(x[:, column].numpy(), law(name)).pvalue > ALPHA


def test_parts_of_a_product_have_their_laws_and_are_independent() -> None:
    space = SPACES["product"]
    parts = space.split(space.sample(N, seed=2, dtype=torch.float64))
    assert {name: tuple(part.shape) for name, part in parts.items()} == {"w": (N, 2), "style": (N, 1), "s": (N, 3)}
    assert kstest(parts["w"][:, 1].numpy(), norm.cdf).pvalue > ALPHA
    assert kstest(parts["style"][:, 0].numpy(), uniform(-1, 2).cdf).pvalue > ALPHA
    assert kstest(parts["s"][:, 2].numpy(), uniform(-1, 2).cdf).pvalue > ALPHA
    columns = torch.corrcoef(space.join(parts).T) - torch.eye(6, dtype=torch.float64)
    assert float(columns.abs().max()) < 5 / math.sqrt(N)
    # Equal parts must not repeat each other's numbers.
    twins = wf.spaces.Product(a=wf.spaces.Normal(2), b=wf.spaces.Normal(2))
    pair = twins.split(twins.sample(10, seed=0))
    assert not torch.equal(pair["a"], pair["b"])


def test_split_and_join_are_inverse() -> None:
    space = wf.spaces.Product(image=wf.spaces.Normal((2, 3)), w=wf.spaces.Normal(4))
    x = torch.arange(20.0).reshape(2, 10)
    parts = space.split(x)
    assert parts["image"].shape == (2, 2, 3)
    assert torch.equal(space.join(parts), x)
    assert torch.equal(space.join(dict(reversed(parts.items()))), x)
    with pytest.raises(ValueError, match="9"):
        space.split(x[:, :9])
    with pytest.raises(ValueError, match="image"):
        space.join({"w": parts["w"]})


@pytest.mark.parametrize("name", SPACES)
def test_sample_i_depends_on_its_own_seed_only(name: str) -> None:
    space = SPACES[name]
    many, seeds = space.sample(20, seed=5), wf.sample_seeds(5, 20)
    assert torch.equal(space.sample(6, seed=5), many[:6])
    assert torch.equal(space.sample(4, seed=seeds[9:13].tolist()), many[9:13])
    assert not torch.equal(space.sample(20, seed=6), many)
    assert torch.equal(space.sample(20), space.sample(20, seed=0))
    assert space.sample(3, dtype=torch.float64).dtype == torch.float64
    assert space.sample(3).dtype == torch.get_default_dtype()


def test_samples_are_independent_of_the_flow_s_noise_under_the_same_seed() -> None:
    """z0 = prior.sample(n, seed=0) and flow(z0, ..., seed=0) is what everybody writes."""
    z0 = wf.spaces.Normal(5).sample(N, seed=0).flatten()
    for step in range(6):
        xi = Noise(wf.sample_seeds(0, N), step).normal(torch.empty(N, 5)).flatten()
        assert abs(float(torch.corrcoef(torch.stack([z0, xi]))[0, 1])) < 5 / math.sqrt(5 * N)


@pytest.mark.parametrize("name", SPACES)
def test_project_is_idempotent_and_keeps_samples(name: str) -> None:
    space = SPACES[name]
    x = space.sample(50, seed=0, dtype=torch.float64)
    torch.testing.assert_close(space.project(x), x)
    away = x + 3 * torch.randn_like(x)
    copy = away.clone()
    once = space.project(away)
    torch.testing.assert_close(space.project(once), once)
    assert torch.equal(away, copy)


@pytest.mark.parametrize("name", ["box", "sphere"])
def test_project_finds_the_nearest_point(name: str) -> None:
    space = SPACES[name]
    away = 3 * torch.randn(40, 3, dtype=torch.float64)
    near = (away - space.project(away)).norm(dim=1)
    assert bool(space.energy(space.project(away)).isfinite().all())
    for point in space.sample(300, seed=0, dtype=torch.float64):
        assert bool((near <= (away - point).norm(dim=1) + 1e-12).all())


def test_flat_spaces_project_nothing() -> None:
    x = 100 * torch.randn(4, 3)
    for space in (wf.spaces.Normal(3), wf.spaces.Euclidean()):
        assert torch.equal(space.project(x), x)
        assert torch.equal(space.tangent(x, -x), -x)


@pytest.mark.parametrize("space", [wf.spaces.Sphere(4), wf.spaces.NormShells()])
def test_tangent_is_the_orthogonal_projection(space: wf.spaces.Space) -> None:
    """v - x <v, x> / ||x||^2: also off the unit sphere, where a division by sqrt(dim) would be wrong."""
    x, v = torch.randn(30, 4, dtype=torch.float64), torch.randn(30, 4, dtype=torch.float64)
    x = space.project(x)
    along = space.tangent(x, v)
    torch.testing.assert_close((along * x).sum(1), torch.zeros(30, dtype=torch.float64))
    torch.testing.assert_close(space.tangent(x, along), along)
    coefficient = ((v - along) * x).sum(1) / x.square().sum(1)
    torch.testing.assert_close(v - along, coefficient[:, None] * x)


def test_energies_are_minus_log_densities() -> None:
    x = torch.randn(10, 3, dtype=torch.float64)
    expected = torch.from_numpy(-norm.logpdf(x.numpy()).sum(1))
    gap = SPACES["normal"].energy(x) - expected
    torch.testing.assert_close(gap, gap[:1].expand(10))
    inside, outside = (
        torch.tensor([[0.0, 0.1, 1.9], [0.0, 0.0, 0.0]]),
        torch.tensor([[0.0, 0.0, 2.1], [-0.6, 0.0, 0.0]]),
    )
    energy = SPACES["box"].energy(inside)
    assert energy[0] == energy[1]
    assert SPACES["box"].energy(outside).tolist() == [math.inf, math.inf]
    sphere = SPACES["sphere"].energy(SPACES["sphere"].sample(5))
    assert sphere.unique().numel() == 1


def test_energy_of_a_product_is_the_sum_of_its_parts() -> None:
    space = SPACES["product"]
    x = space.sample(6, seed=0, dtype=torch.float64)
    parts = space.split(x)
    total = sum(part_space.energy(parts[name]) for name, part_space in space.parts.items())
    torch.testing.assert_close(space.energy(x), total)
    assert gradient(space, x)[:, :2].allclose(parts["w"])


def gradient(space: wf.spaces.PriorSpace, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(space.energy(leaf).sum(), leaf)[0]


def test_events_of_more_dimensions() -> None:
    space = wf.spaces.Normal((2, 3))
    x = space.sample(4, seed=0)
    assert x.shape == (4, 2, 3)
    torch.testing.assert_close(space.energy(x), x.square().sum((1, 2)) / 2)
    box = wf.spaces.Box(-1.0, 1.0, (2, 3))
    assert box.energy(box.sample(4)).shape == (4,)


def test_spaces_compare_by_value() -> None:
    assert wf.spaces.Normal(3) == wf.spaces.Normal(3)
    assert wf.spaces.Box(-1, 1, 2) != wf.spaces.Box(-1, 2, 2)


POINTS = {
    "box": wf.spaces.Box(-1.0, 1.0, ()),
    "normal": wf.spaces.Normal(()),
    "product": wf.spaces.Product(a=wf.spaces.Box(-1.0, 1.0, ()), b=wf.spaces.Normal(())),
    "fitted": wf.fit_gaussian(torch.tensor([0.0, 1.0, 2.0])),
}


@pytest.mark.parametrize("name", POINTS)
def test_events_without_axes(name: str) -> None:
    space = POINTS[name]
    x = space.sample(5, seed=0)
    assert x.shape == ((5, 2) if name == "product" else (5,))
    if name != "fitted":
        r = wf.methods.ddls(lambda x: -x.reshape(5, -1).sum(1), x, prior=space, steps=2)
        assert r.samples.shape == x.shape


def test_a_box_of_numbers_holds_or_not() -> None:
    assert POINTS["box"].energy(torch.tensor([0.5, 3.0])).tolist() == [0.0, math.inf]


@pytest.mark.parametrize("bounds", [(-math.inf, math.inf), (0.0, math.inf)])
def test_a_box_without_end_has_nothing_to_sample(bounds: tuple[float, float]) -> None:
    box = wf.spaces.Box(*bounds, 2)
    with pytest.raises(ValueError, match=r"inf\) has no uniform law; give finite bounds"):
        box.sample(3)
    assert torch.equal(box.project(torch.ones(1, 2)), torch.ones(1, 2))


@pytest.mark.parametrize("shape", [(3, 2), (3,), (3, 1, 5)])
def test_a_sphere_of_another_dimension(shape: tuple[int, ...], unchecked_annotations: None) -> None:
    sphere, x = wf.spaces.Sphere(5), torch.ones(shape)
    for call in (lambda: sphere.project(x), lambda: sphere.tangent(x, x)):
        with pytest.raises(ValueError, match=r"Sphere\(5\) holds \(batch, 5\); give a sphere"):
            call()


def test_norms_of_normal_parts_are_kept() -> None:
    """DOT turns each normal part about 0, clamps what is in a box, and without a prior goes straight."""
    x0 = wf.spaces.Product(w=wf.spaces.Normal(3), v=wf.spaces.Normal(2), u=wf.spaces.Box(-1, 1, 2)).sample(6, seed=1)
    prior = wf.spaces.Product(w=wf.spaces.Normal(3), v=wf.spaces.Normal(2), u=wf.spaces.Box(-1, 1, 2))
    x, v = x0.double(), torch.randn(6, 7, dtype=torch.float64)
    kept = wf.spaces.norms_kept(prior)
    along = kept.tangent(x, v)
    for part in (slice(0, 3), slice(3, 5)):
        torch.testing.assert_close((along[:, part] * x[:, part]).sum(1), torch.zeros(6, dtype=torch.float64))
        torch.testing.assert_close(along[:, part], wf.spaces.NormShells().tangent(x[:, part], v[:, part]))
    assert torch.equal(along[:, 5:], v[:, 5:])
    assert kept.project(2 * x)[:, 5:].abs().max() <= 1
    pull = lambda y: 5 * y.sum(dim=1)  # noqa: E731
    one, parts, free = (
        wf.methods.dot(pull, x[:, :3], lipschitz=1.0, prior=prior, steps=20).samples.norm(dim=1)
        for prior in (wf.spaces.Normal(3), wf.spaces.Product(w=wf.spaces.Normal(3)), None)
    )
    torch.testing.assert_close(parts, one)
    assert bool((free > one + 0.1).any())


def test_dot_refuses_a_prior_of_other_latents() -> None:
    with pytest.raises(ValueError, match="give them one shape"):
        wf.methods.dot(lambda y: y.sum(dim=1), torch.ones(4, 3), lipschitz=1.0, prior=wf.spaces.Normal(7))


def test_ddls_names_latents_outside_the_prior() -> None:
    z0 = torch.tensor([[0.5, 0.5], [1.5, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"the latents of sample 1 lie outside Box.*; sample them from it"):
        wf.methods.ddls(lambda y: y.sum(dim=1), z0, prior=wf.spaces.Box(-1.0, 1.0, 2))


def test_generators_that_return_tuples_are_explained() -> None:
    made = wf.spaces.Generated(lambda z: (z, z), wf.spaces.Normal(2))
    with pytest.raises(TypeError, match="the generator returned a tuple; it must return a tensor of samples"):
        made.sample(3)
