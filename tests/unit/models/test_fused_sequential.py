"""A prepared network is the network, however its layers are used."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

import wasserflow as wf
from wasserflow.models.fused import Chain, ConvolutionLink, LinearLink, ReshapeLink
from wasserflow.models.fused_sequential import FusedSequential


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 6), nn.LeakyReLU(0.2))


def square() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())


class ByIndex(nn.Module):
    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        first = self.layers[0](x)
        return self.layers[2](self.layers[1](first)) + first


class Sliced(ByIndex):
    def forward(self, x: Tensor) -> Tensor:
        first = self.layers[:1](x)
        return self.layers[1:](first) + first.mean()


class OneByOne(ByIndex):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x) if isinstance(layer, nn.Linear) else torch.tanh(x)
        return x


class Asking(ByIndex):
    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, self.layers[0].in_features).to(next(self.parameters()).dtype)
        return self.layers(x)


class Viewing(nn.Sequential):
    """The most ordinary of critics: whole layers, and then a view."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).view(len(x), -1)


class Views(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = x + layer(x)
        return x


class Standardised(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class Doubled(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def heard(layers: nn.Sequential, number: int) -> nn.Sequential:
    layers[number].register_forward_hook(lambda module, inputs, output: 2 * output + 1)
    return layers


def heard_before(layers: nn.Sequential, number: int) -> nn.Sequential:
    layers[number].register_forward_pre_hook(lambda module, inputs: (inputs[0] - 0.5,))
    return layers


VECTORS = {
    "whole": dense,
    "by index": lambda: ByIndex(dense()),
    "sliced": lambda: Sliced(dense()),
    "one by one": lambda: OneByOne(dense()),
    "asked for its sizes": lambda: Asking(dense()),
    "a subclass with its own forward": lambda: Residual(*dense()),
    "hook on a linear layer": lambda: heard(dense(), 0),
    "hook on a norm": lambda: heard(dense(), 1),
    "hook before a rectifier": lambda: heard_before(dense(), 2),
    "norm over channels of as many": lambda: nn.Sequential(nn.Unflatten(1, (6, 1)), nn.Linear(1, 6), nn.BatchNorm1d(6)),
    "norm over other channels": lambda: nn.Sequential(nn.Unflatten(1, (6, 1)), nn.Linear(1, 4), nn.BatchNorm1d(6)),
    "rectifiers that cannot be fused": lambda: nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(-0.5), nn.Linear(6, 2)),
    "two norms": lambda: nn.Sequential(
        nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6)
    ),
    "other activations": lambda: nn.Sequential(nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 6), nn.ELU(), nn.Tanh()),
    "rectified in place": lambda: nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.2, inplace=True), nn.Linear(6, 6)),
    "in place after the end": lambda: nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.2), nn.Hardtanh(inplace=True)),
    "images within": lambda: nn.Sequential(
        nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(4, 2)
    ),
    "a layer of features, then images": lambda: nn.Sequential(
        nn.Linear(6, 8), nn.Unflatten(1, (2, 2, 2)), nn.Linear(2, 3)
    ),
    "one layer twice": lambda: nn.Sequential(*[nn.Linear(6, 6), nn.ReLU()] * 2),
    "one number a sample": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0)),
    "old weight norm": lambda: nn.Sequential(nn.utils.weight_norm(nn.Linear(6, 6)), nn.BatchNorm1d(6), nn.ReLU()),
}
IMAGES = {
    "whole": square,
    "by index": lambda: ByIndex(square()),
    "a view after it": lambda: Viewing(nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU())),
    "a view within it": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), Views(), nn.Linear(36, 1)),
    "one within another": lambda: nn.Sequential(square(), nn.Sequential(square(), Views())),
    "hook on a convolution": lambda: heard(square(), 0),
    "hook on what is within": lambda: nn.Sequential(heard(square(), 2), nn.Flatten()),
    "a convolution of one's own": lambda: nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4)),
    "a norm of one's own": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Doubled(4)),
    "groups": lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 4, 2, 1, groups=3), nn.BatchNorm2d(6), nn.ReLU()),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.ReLU()),
    "padded by reflection": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
    "padded to the same size": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU()),
    "dilated, in groups": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, 2, 2, dilation=2, groups=3), nn.LeakyReLU(0.2)),
    "output padding": lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 4, 3, 2, 1, output_padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Tanh()
    ),
    "flattened late": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.Linear(36, 5), nn.ReLU()),
    "pooled": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 5)),
    "features of each pixel": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(6, 5), nn.ReLU()),
    "three dimensions": lambda: nn.Sequential(nn.Unflatten(1, (3, 1)), nn.Conv3d(3, 2, (1, 3, 3)), nn.BatchNorm3d(2)),
}


def settled(network: nn.Module) -> nn.Module:
    """In eval mode with norms that do something."""
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.uniform_(-1, 1)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, -1, 1)
    return network.eval()


def value_and_gradient(network: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = network(x)
    return value.detach(), torch.autograd.grad(value.square().sum(), x)[0]


def require_same(network: nn.Module, x: Tensor) -> nn.Module:
    before = copy.deepcopy(network.state_dict())
    (fast,) = wf.prepare(network)
    for ours, theirs in zip(value_and_gradient(fast, x), value_and_gradient(network, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    return fast


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("way", VECTORS)
def test_vectors(way: str) -> None:
    require_same(settled(VECTORS[way]()), torch.randn(7, 6))


@pytest.mark.parametrize("way", IMAGES)
def test_images(way: str) -> None:
    require_same(settled(IMAGES[way]()), torch.randn(5, 3, 8, 8))


def test_images_that_lie_channels_last() -> None:
    x = torch.randn(5, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert require_same(settled(square()), x)(x).is_contiguous()


def links(network: FusedSequential) -> list[list[type] | None]:
    return [[type(link) for link in step.fast.links] if type(step.fast) is Chain else None for step in network.steps()]


def test_what_can_be_fused_is() -> None:
    """Two operations for the five layers, and a norm that is never evaluated."""
    fast = require_same(settled(dense()), torch.randn(7, 6))
    assert links(fast) == [[LinearLink, LinearLink]]
    images = require_same(settled(square()), torch.randn(2, 3, 8, 8))
    assert links(images) == [[ConvolutionLink]]
    assert images.steps()[0].fast.links[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_generator_and_a_critic_of_images_are_one_operation_each() -> None:
    up = nn.Sequential(
        nn.Linear(6, 8 * 4),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (8, 2, 2)),
        nn.ConvTranspose2d(8, 4, 4, 2, 1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3, 1, 1),
        nn.Tanh(),
    )
    assert links(require_same(settled(up), torch.randn(7, 6))) == [
        [LinearLink, ReshapeLink, ConvolutionLink, ConvolutionLink]
    ]
    down = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0))
    fast = require_same(settled(down), torch.randn(5, 3, 8, 8))
    assert links(fast) == [[ConvolutionLink, ReshapeLink, LinearLink], None]


def test_a_layer_that_is_listened_to_for_a_while_is_run_by_itself_meanwhile() -> None:
    network, x, seen = settled(dense()), torch.randn(7, 6), []
    (fast,) = wf.prepare(network)
    before = fast(x)
    handle = fast[2].register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert links(fast) == [[LinearLink], None, [LinearLink]]
    torch.testing.assert_close(fast(x), before, rtol=1e-5, atol=1e-5)
    handle.remove()
    assert links(fast) == [[LinearLink, LinearLink]]
    assert len(seen) == 1
    with torch.no_grad():
        torch.testing.assert_close(seen[0], network[:3](x), rtol=1e-5, atol=1e-5)


def test_copies_can_be_trained_and_are_fast_again_after_it() -> None:
    network, x = settled(dense()), torch.randn(7, 6)
    (fast,) = wf.prepare(network)
    frozen = links(fast)
    for copy_ in (network, fast):
        copy_.requires_grad_(True)
    for _ in range(2):
        optimizers = [torch.optim.SGD(copy_.parameters(), lr=0.1) for copy_ in (network, fast)]
        for copy_, optimizer in zip((network, fast), optimizers, strict=True):
            optimizer.zero_grad()
            copy_.requires_grad_(True)(x).square().sum().backward()
            optimizer.step()
        for ours, theirs in zip(fast.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
        fast.requires_grad_(False)
        assert links(fast) == frozen
        torch.testing.assert_close(fast(x), network(x).detach(), rtol=1e-4, atol=1e-4)


def test_weights_that_are_changed_in_place_count() -> None:
    network, x = settled(dense()), torch.randn(7, 6)
    (fast,) = wf.prepare(network)
    fast(x)
    for copy_ in (fast, copy.deepcopy(fast)):
        before = copy_(x)
        with torch.no_grad():
            copy_[0].weight.mul_(2)
        other = copy.deepcopy(network)
        other.load_state_dict(copy_.state_dict())
        torch.testing.assert_close(copy_(x), other(x), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(copy_(x), before)


@pytest.mark.parametrize("padding", [1, "same"])  # in a chain, and by itself
def test_a_batch_of_one_behind_an_instance_norm(padding: int | str) -> None:
    """Torch reads a gradient wrongly that lies channels-last where the input of an instance norm does not."""
    network = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 8, 3, padding=padding), nn.Softplus()).eval()
    (fast,) = wf.prepare(network)
    x, weights = torch.randn(1, 3, 16, 16, requires_grad=True), torch.randn(1, 8, 16, 16)
    gradients = [torch.autograd.grad((weights * run(x)).sum(), x)[0] for run in (network, fast)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_a_weight_that_is_not_a_number_is_heard_of() -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU()).eval()
    with torch.no_grad():
        network[0].weight[3, 0, 0, 0] = torch.nan
    (fast,) = wf.prepare(network)
    x = torch.randn(8, 3, 16, 16)
    assert torch.equal(fast(x).isnan(), network(x).isnan())


def test_a_norm_without_weights_is_folded() -> None:
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, affine=False), nn.ReLU(), nn.Linear(4, 1))
    network(torch.randn(64, 6) + 1)  # statistics other than 0 and 1
    network.eval()
    assert links(require_same(network, torch.randn(7, 6))) == [[LinearLink, LinearLink]]


def test_tangents_pass() -> None:
    network, x = settled(dense()), torch.randn(200, 6)
    (fast,) = wf.prepare(network)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        tangents = [forward_ad.unpack_dual(run(dual)).tangent for run in (network, fast)]
    torch.testing.assert_close(*tangents, rtol=1e-4, atol=1e-5)


def test_flat_results_can_be_viewed() -> None:
    (fast,) = wf.prepare(nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2)).eval())
    assert fast(torch.randn(2, 3, 8, 8)).is_contiguous()


def test_features_of_an_inner_layer_are_those_of_the_network() -> None:
    network, x = settled(dense()), torch.randn(7, 6)
    (fast,) = wf.prepare(network)
    fast(x)
    for layer in ("0", "1", "3"):
        features = wf.layer_features(network, layer)(x)
        torch.testing.assert_close(wf.layer_features(fast, layer)(x), features, rtol=1e-5, atol=1e-5)


def test_weights_that_are_loaded_moved_or_replaced_later_count() -> None:
    network, other, x = settled(dense()), settled(dense()), torch.randn(7, 6)
    (fast,) = wf.prepare(network)
    fast(x)
    fast.load_state_dict(other.state_dict())
    torch.testing.assert_close(fast(x), other(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fast.double()(x.double()), other(x).double(), rtol=1e-4, atol=1e-4)
    fast[4] = nn.Tanh()
    torch.testing.assert_close(fast(x.double()), other[:4](x).double().tanh(), rtol=1e-4, atol=1e-4)
    for twin in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert type(twin) is FusedSequential
        torch.testing.assert_close(twin(x.double()), fast(x.double()))


def test_after_a_large_batch_copies_and_changed_weights_count() -> None:
    network, x = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 1)).eval(), torch.randn(2_000, 6)
    (fast,) = wf.prepare(network)
    torch.testing.assert_close(fast(x), network(x), rtol=1e-4, atol=1e-5)
    for twin in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        torch.testing.assert_close(twin(x), network(x), rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            for layers in (network, twin):
                layers[0].weight.mul_(2)
        torch.testing.assert_close(twin(x), network(x), rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            network[0].weight.div_(2)
    torch.testing.assert_close(fast(x), network(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "transform",
    [
        lambda network, x: torch.func.grad(lambda y: network(y).sum())(x),
        lambda network, x: torch.func.vmap(lambda y: network(y[None])[0])(x),
        lambda network, x: torch.func.jvp(network, (x,), (x,))[1],
        lambda network, x: torch.func.hessian(lambda y: network(y).square().sum())(x),
        lambda network, x: torch.jit.trace(network, x)(x),
    ],
    ids=["grad", "vmap", "jvp", "hessian", "trace"],
)
def test_transforms_of_torch(transform: Callable[[nn.Module, Tensor], Tensor]) -> None:
    network, x = settled(dense()), torch.randn(3, 6)
    (fast,) = wf.prepare(network)
    torch.testing.assert_close(transform(fast, x), transform(network, x), rtol=1e-3, atol=1e-4)


def test_networks_prepared_in_inference_mode_can_be_refined_through() -> None:
    network = settled(dense())
    with torch.inference_mode():
        (fast,) = wf.prepare(network)
        fast(torch.randn(2, 6))
    assert wf.refine(lambda x: fast(x).sum(1), torch.randn(2, 6), steps=2).samples.isfinite().all()


FOLLOWED = {
    "linear": lambda then: nn.Sequential(nn.Linear(6, 6), then),
    "leaky linear": lambda then: nn.Sequential(nn.Linear(6, 6), nn.LeakyReLU(0.2), then),
    "convolution": lambda then: nn.Sequential(nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 4, 1), then, nn.Conv2d(4, 2, 1)),
    "flattened convolution": lambda then: nn.Sequential(
        nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 4, 1), nn.Flatten(), then
    ),
    "leaky, flattened": lambda then: nn.Sequential(
        nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 4, 1), nn.LeakyReLU(0.1), nn.Flatten(), then
    ),
    "one within another": lambda then: nn.Sequential(nn.Sequential(nn.Linear(6, 6)), nn.Sequential(then)),
    "norm": lambda then: nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Identity(), then),
}
IN_PLACE = [nn.ReLU(True), nn.ELU(inplace=True), nn.SiLU(inplace=True), nn.Hardtanh(inplace=True), nn.SELU(True)]


@pytest.mark.parametrize("then", IN_PLACE, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("way", FOLLOWED)
def test_layers_that_work_in_place_may_follow(way: str, then: nn.Module) -> None:
    require_same(settled(FOLLOWED[way](then)), torch.randn(7, 6))


def test_a_copy_of_old_spectral_norm_reads_what_it_writes() -> None:
    network = settled(nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 6)), nn.ReLU()))
    (fast,) = wf.prepare(network)
    fast.load_state_dict(fast.state_dict())
    torch.testing.assert_close(fast(torch.ones(2, 6)), network(torch.ones(2, 6)))
    network.load_state_dict(network.state_dict())
