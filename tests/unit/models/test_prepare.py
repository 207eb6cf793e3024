"""Fast frozen copies compute what the originals do, and leave them alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, spectral_norm
from torch.nn.utils.parametrizations import spectral_norm as parametrised_spectral_norm

import wasserflow as wf
from wasserflow.data.images import to_float
from wasserflow.training.critic import refit_critic


def used(network: nn.Sequential, x: Tensor) -> nn.Sequential:
    """A network with the running statistics and power iterations of some training, in eval mode."""
    for seed in range(5):
        network.train()(x + torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)))
    return network.eval()


def images() -> Tensor:
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(9))


def convolutions() -> nn.Sequential:
    return used(
        nn.Sequential(
            nn.ConvTranspose2d(3, 4, 4, 2, 1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 5, 3, 2, 1, bias=False),
            nn.BatchNorm2d(5),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(5 * 64, 6),
            nn.BatchNorm1d(6),
        ),
        images(),
    )


def normalised(norm: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    return used(nn.Sequential(norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), nn.Flatten(), norm(nn.Linear(4 * 36, 1))), images())


def gradient(network: nn.Module, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(network(x).square().sum(), x)[0]


@pytest.mark.parametrize(
    "make", [convolutions, lambda: normalised(spectral_norm), lambda: normalised(parametrised_spectral_norm)]
)
def test_same_function_and_gradient(make: Callable[[], nn.Sequential]) -> None:
    network, x = make(), images()
    before = network(x).detach()
    (fast,) = wf.prepare(network)
    torch.testing.assert_close(fast(x), before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient(fast, x), gradient(network, x), rtol=1e-4, atol=1e-5)
    assert not any(p.requires_grad for p in fast.parameters())


def test_parametrisations_are_gone_from_the_copy_and_still_in_the_original() -> None:
    network = normalised(parametrised_spectral_norm)
    (fast,) = wf.prepare(network)
    assert not any(parametrize.is_parametrized(m) for m in fast.modules())
    weight = network[0].weight.detach().clone()
    network.train()(images())[0].sum().backward()
    assert all(p.grad is not None for p in network.parameters()), "the original can still be trained"
    assert not torch.equal(network[0].weight, weight), "and its power iteration still runs"


def test_half_precision_is_inside_only() -> None:
    seen = []
    network = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)).eval()
    (fast,) = wf.prepare(network, precision=torch.bfloat16)
    for layer in fast.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    x = torch.randn(100, 64, generator=torch.Generator().manual_seed(0))
    assert (fast(x).dtype, gradient(fast, x).dtype) == (torch.float32, torch.float32)
    assert set(seen) == {torch.bfloat16}
    error = (gradient(fast, x) - gradient(network, x)).norm() / gradient(network, x).norm()
    assert 1e-4 < error < 0.05
    moved = wf.refine(lambda x: fast(x), x, steps=2, seed=0).samples
    exact = wf.refine(network, x, steps=2, seed=0).samples
    torch.testing.assert_close(moved, exact, rtol=0, atol=0.05)
    assert not torch.equal(moved, x)


def test_half_precision_of_tuples_options_and_other_methods() -> None:
    class Several(nn.Linear):
        def forward(self, x: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor]:
            return scale * super().forward(x), torch.arange(len(x))

        def features(self, x: Tensor) -> Tensor:
            return 2 * x

    (fast,) = wf.prepare(Several(3, 1).eval(), precision=torch.bfloat16)
    values, numbers = fast(torch.ones(2, 3), scale=2.0)
    assert (values.dtype, numbers.dtype) == (torch.float32, torch.int64)
    torch.testing.assert_close(values, 2 * fast(torch.ones(2, 3))[0])
    assert fast.features(torch.ones(1)) == 2
    with pytest.raises(AttributeError, match="nothing"):
        fast.nothing  # noqa: B018


def test_scripted_modules_are_copied() -> None:
    network = torch.jit.script(nn.Linear(3, 1).eval())
    (fast,) = wf.prepare(network)
    assert torch.equal(fast(torch.ones(2, 3)), network(torch.ones(2, 3)))


def test_scripted_modules_and_their_copies_are_refined_through() -> None:
    network, x = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).eval(), torch.randn(5, 2)
    expected = wf.refine(network, x).samples
    scripted = torch.jit.script(network)
    ways = [wf.prepare(scripted)[0], copy.deepcopy(scripted), wf.prepare(torch.jit.freeze(scripted))[0]]
    ways.append(wf.prepare(nn.Sequential(torch.jit.freeze(scripted), nn.Identity()).eval())[0])
    for way in ways:
        torch.testing.assert_close(wf.refine(way, x).samples, expected)
    half = wf.prepare(torch.jit.freeze(scripted), precision=torch.bfloat16)[0]
    torch.testing.assert_close(wf.refine(half, x).samples, expected, rtol=0.05, atol=0.05)


def test_half_precision_of_named_parts() -> None:
    class OfParts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, parts: dict[str, Tensor]) -> Tensor:
            return self.layer(parts["z"])

    network, z = OfParts().eval(), torch.randn(5, 2)
    (half,) = wf.prepare(network, precision=torch.bfloat16)
    for result in (half({"z": z}), half(parts={"z": z})):
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, network({"z": z}), rtol=0.05, atol=0.05)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        wf.prepare(nn.Sequential(nn.Dropout()))
    with pytest.raises(ValueError, match=r"precision is torch\.float64"):
        wf.prepare(nn.Linear(1, 1).eval(), precision=torch.float64)


def test_a_critic_with_hooked_spectral_norm_can_be_refitted(tmp_path: Path) -> None:
    critic, x = normalised(spectral_norm), (images() * 255).clamp(0, 255).byte()
    assert not critic[0].weight.is_leaf, "what copy.deepcopy refuses"
    generator = nn.Sequential(nn.Linear(2, 3 * 64), nn.Unflatten(1, (3, 8, 8)), nn.Tanh()).eval()
    settings = {"iterations": 2, "batch_size": 2, "progress": False, "accelerator": "cpu"}
    refitted = refit_critic(critic, generator, wf.spaces.Normal(2), x, x, tmp_path / "run", **settings)
    assert refitted(to_float(x)).shape == (4, 1)
