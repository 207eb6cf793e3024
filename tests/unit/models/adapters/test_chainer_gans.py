"""The npz files of chainer's SN-DCGAN and SN-ResNet, against their forward passes written out here in plain torch.

The names, axes and constants are those of pfnet-research/chainer-gan-lib (`common/net.py`), which DOT and DGflow use,
and of pfnet-research/sngan_projection (`gen_models/resnet.py` and `resnet_32.py`, `dis_models/snresnet.py` and
`snresnet_32.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import wasserflow as wf
from wasserflow.models import adapters
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

Arrays = dict[str, np.ndarray]
EPS = 2e-5  # of chainer's batch normalisation


class Draw:
    """Arrays of a file, drawn one after another."""

    def __init__(self) -> None:
        self.numbers, self.arrays = np.random.default_rng(0), {}

    def normal(self, name: str, *shape: int, scale: float = 1.0, mean: float = 0.0) -> None:
        self.arrays[name] = (mean + scale * self.numbers.normal(size=shape)).astype(np.float32)

    def link(self, name: str, *shape: int, bias: int = 0, gain: float = 1.0) -> None:
        self.normal(f"{name}/W", *shape, scale=gain * np.prod(shape[1:]) ** -0.5)
        if bias:
            self.normal(f"{name}/b", bias, scale=0.3)

    def norm(self, name: str, size: int) -> None:
        self.normal(f"{name}/gamma", size, scale=0.2, mean=1.0)
        self.normal(f"{name}/beta", size, scale=0.2)
        self.normal(f"{name}/avg_mean", size, scale=0.1)
        # Some variances so small that the added constant is felt: by twenty times the tests' tolerance.
        self.arrays[f"{name}/avg_var"] = self.numbers.choice([0.05, 1.0, 4.0], size).astype(np.float32)
        self.arrays[f"{name}/N"] = np.array(0)

    def class_norm(self, name: str, size: int, classes: int) -> None:
        self.norm(name, size)
        del self.arrays[f"{name}/gamma"], self.arrays[f"{name}/beta"]
        self.normal(f"{name}/gammas/W", classes, size, scale=0.2, mean=1.0)
        self.normal(f"{name}/betas/W", classes, size, scale=0.2)

    def vectors(self) -> None:
        """The persistent `u` of sngan_projection's links, in the midst of training: no singular vector yet."""
        for name in [name for name in self.arrays if name.endswith("/W")]:
            self.normal(f"{name[:-2]}/u", 1, len(self.arrays[name]))


def dcgan_generator(channels: int = 16, latent: int = 6, width: int = 2) -> Arrays:
    draw = Draw()
    draw.link("l0", width**2 * channels, latent, bias=width**2 * channels)
    draw.norm("bn0", width**2 * channels)
    for index, fan_in in enumerate((channels, channels // 2, channels // 4), start=1):
        draw.link(f"dc{index}", fan_in, fan_in // 2, 4, 4, bias=fan_in // 2)
        draw.norm(f"bn{index}", fan_in // 2)
    draw.link("dc4", channels // 8, 3, 3, 3, bias=3, gain=0.3)
    return draw.arrays


SNDCGAN = ("c0_0", "c0_1", "c1_0", "c1_1", "c2_0", "c2_1", "c3_0")
WGAN = ("c0", "c1", "c1_0", "c2", "c2_0", "c3", "c3_0")


def dcgan_critic(names: tuple[str, ...], channels: int = 16, width: int = 2) -> Arrays:
    draw, fan_in = Draw(), 3
    for index, (name, part) in enumerate(zip(names, (8, 4, 4, 2, 2, 1, 1), strict=True)):
        size = 4 if index % 2 else 3
        draw.link(name, channels // part, fan_in, size, size, bias=channels // part)
        fan_in = channels // part
    draw.link("l4", 1, width**2 * channels, bias=1)
    return draw.arrays


def resnet_generator(channels: int = 6, latent: int = 5, width: int = 2) -> Arrays:
    draw = Draw()
    draw.link("l1", width**2 * channels, latent, bias=width**2 * channels)
    for index in (2, 3, 4):
        for place in (1, 2):
            draw.norm(f"block{index}/b{place}", channels)
            draw.link(f"block{index}/c{place}", channels, channels, 3, 3, bias=channels)
        draw.link(f"block{index}/c_sc", channels, channels, 1, 1, bias=channels)
    draw.norm("b5", channels)
    draw.link("c5", 3, channels, 3, 3, bias=3, gain=0.05)
    return draw.arrays


def projection_generator(widths: tuple[int, ...] = (8, 8, 6, 4), latent: int = 5, classes: int = 3) -> Arrays:
    draw = Draw()
    draw.link("l1", 4 * widths[0], latent, bias=4 * widths[0])
    for number, (fan_in, fan_out) in enumerate(pairwise(widths), start=2):
        block = f"block{number}"
        for place, channels in ((1, fan_in), (2, fan_out)):
            draw.class_norm(f"{block}/b{place}", channels, classes)
            draw.link(f"{block}/c{place}", fan_out, channels, 3, 3, bias=fan_out)
        draw.link(f"{block}/c_sc", fan_out, fan_in, 1, 1, bias=fan_out)
    draw.norm("b5", widths[-1])
    draw.link("c5" if len(set(widths)) == 1 else "l5", 3, widths[-1], 3, 3, bias=3, gain=0.1)
    return draw.arrays


def projection_critic(widths: tuple[int, ...] = (4, 6, 8, 8), classes: int = 3, bias: int = 1) -> Arrays:
    """All blocks but the last halve the resolution, and have a `c_sc`."""
    draw = Draw()
    for number, (fan_in, fan_out) in enumerate(pairwise((3, *widths)), start=1):
        hidden = fan_out if number == 1 else fan_in
        draw.link(f"block{number}/c1", hidden, fan_in, 3, 3, bias=hidden)
        draw.link(f"block{number}/c2", fan_out, hidden, 3, 3, bias=fan_out)
        if number < len(widths):
            draw.link(f"block{number}/c_sc", fan_out, fan_in, 1, 1, bias=fan_out)
    draw.link(f"l{len(widths) + 1}", 1, widths[-1], bias=bias)
    draw.link("l_y", classes, widths[-1])
    draw.vectors()
    return draw.arrays


def resnet_critic(channels: int = 6) -> Arrays:
    draw = Draw()
    for index in (1, 2, 3, 4):
        fan_in = 3 if index == 1 else channels
        draw.link(f"block{index}/c1", channels, fan_in, 3, 3, bias=channels)
        draw.link(f"block{index}/c2", channels, channels, 3, 3, bias=channels)
        if index < 3:
            draw.link(f"block{index}/c_sc", channels, fan_in, 1, 1, bias=channels)
    draw.link("l5", 1, channels)
    draw.vectors()
    return draw.arrays


class Forward:
    """chainer's links at evaluation, in float64."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = {name: torch.from_numpy(array).double() for name, array in arrays.items()}

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.arrays[f"{name}/W"].T + self.arrays[f"{name}/b"]

    def deconvolution(self, name: str, x: Tensor, stride: int) -> Tensor:
        return functional.conv_transpose2d(x, self.arrays[f"{name}/W"], self.arrays[f"{name}/b"], stride, 1)

    def norm(self, name: str, x: Tensor, labels: Tensor | None = None) -> Tensor:
        def part(kind: str) -> Tensor:
            values = self.arrays[f"{name}/{kind}"]
            chosen = values if values.ndim == 1 else values[labels]
            return chosen.reshape(*chosen.shape, *[1] * (x.ndim - 2))

        gamma, beta = ("gamma", "beta") if labels is None else ("gammas/W", "betas/W")
        return part(gamma) * (x - part("avg_mean")) / (part("avg_var") + EPS).sqrt() + part(beta)

    def weight(self, name: str) -> Tensor:
        """W / σ, by one power iteration from u; with no u the largest singular value."""
        weight = self.arrays[f"{name}/W"]
        matrix = weight.flatten(1)
        if f"{name}/u" not in self.arrays:
            return weight / torch.linalg.svdvals(matrix)[0]
        v = self.arrays[f"{name}/u"] @ matrix
        v = v / (v.norm() + 1e-12)
        u = v @ matrix.T
        u = u / (u.norm() + 1e-12)
        return weight / (u @ matrix @ v.T)

    def convolution(self, name: str, x: Tensor, stride: int = 1, normalised: bool = False) -> Tensor:
        weight = self.weight(name) if normalised else self.arrays[f"{name}/W"]
        return functional.conv2d(x, weight, self.arrays[f"{name}/b"], stride, 0 if weight.shape[2] == 1 else 1)


def dcgan_images(arrays: Arrays, z: Tensor) -> Tensor:
    links = Forward(arrays)
    h = functional.relu(links.norm("bn0", links.linear("l0", z)))
    channels = arrays["dc1/W"].shape[0]
    width = round((h.shape[1] / channels) ** 0.5)
    h = h.reshape(len(z), channels, width, width)
    for index in (1, 2, 3):
        h = functional.relu(links.norm(f"bn{index}", links.deconvolution(f"dc{index}", h, 2)))
    return torch.tanh(links.deconvolution("dc4", h, 1))


def dcgan_logits(arrays: Arrays, x: Tensor, names: tuple[str, ...], normalised: bool) -> Tensor:
    links = Forward(arrays)
    for index, name in enumerate(names):
        x = functional.leaky_relu(links.convolution(name, x, 1 + index % 2, normalised), 0.2)
    weight = links.weight("l4") if normalised else links.arrays["l4/W"]
    return (x.flatten(1) @ weight.T + links.arrays["l4/b"])[:, 0]


def resnet_images(arrays: Arrays, z: Tensor, blocks: int = 3, last: str = "c5", labels: Tensor | None = None) -> Tensor:
    links = Forward(arrays)
    channels = arrays["block2/c1/W"].shape[1]
    h = links.linear("l1", z)
    width = round((h.shape[1] / channels) ** 0.5)
    h = h.reshape(len(z), channels, width, width)

    def double(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    for index in range(2, 2 + blocks):
        block = f"block{index}"
        r = links.convolution(f"{block}/c1", double(functional.relu(links.norm(f"{block}/b1", h, labels))))
        r = links.convolution(f"{block}/c2", functional.relu(links.norm(f"{block}/b2", r, labels)))
        h = r + links.convolution(f"{block}/c_sc", double(h))
    return torch.tanh(links.convolution(last, functional.relu(links.norm("b5", h))))


def resnet_logits(arrays: Arrays, x: Tensor, halvings: int = 2, labels: Tensor | None = None) -> Tensor:
    links = Forward(arrays)

    def conv(name: str, h: Tensor) -> Tensor:
        return links.convolution(name, h, normalised=True)

    def halve(h: Tensor) -> Tensor:
        return functional.avg_pool2d(h, 2)

    h = halve(conv("block1/c2", functional.relu(conv("block1/c1", x)))) + conv("block1/c_sc", halve(x))
    for number in (2, 3, 4):
        block = f"block{number}"
        r = conv(f"{block}/c2", functional.relu(conv(f"{block}/c1", functional.relu(h))))
        h = halve(r) + halve(conv(f"{block}/c_sc", h)) if number <= halvings else r + h
    h = functional.relu(h).sum(dim=(2, 3))
    logits = (h @ links.weight("l5").T)[:, 0] + (links.arrays["l5/b"] if "l5/b" in arrays else 0)
    return logits if labels is None else logits + (links.weight("l_y")[labels] * h).sum(1)


LABELS = torch.tensor([2, 0, 1, 1, 0])


def bound(load: Callable) -> Callable:
    return lambda path: wf.models.bind_label(load(path), LABELS)


CASES: dict[str, tuple[Callable, Arrays, Callable[[Arrays, Tensor], Tensor], tuple[int, ...]]] = {
    "SN-DCGAN generator": (adapters.load_chainer_sndcgan_generator, dcgan_generator(), dcgan_images, (6,)),
    "SN-DCGAN generator of 48 pixels": (
        adapters.load_chainer_sndcgan_generator,
        dcgan_generator(8, 6, 6),
        dcgan_images,
        (6,),
    ),
    "SN-DCGAN critic": (
        adapters.load_chainer_sndcgan_critic,
        dcgan_critic(SNDCGAN),
        lambda arrays, x: dcgan_logits(arrays, x, SNDCGAN, True),
        (3, 16, 16),
    ),
    "WGAN critic": (
        adapters.load_chainer_wgan_critic,
        dcgan_critic(WGAN),
        lambda arrays, x: dcgan_logits(arrays, x, WGAN, False),
        (3, 16, 16),
    ),
    "SN-ResNet generator": (adapters.load_chainer_snresnet_generator, resnet_generator(), resnet_images, (5,)),
    "SN-ResNet critic": (adapters.load_chainer_snresnet_critic, resnet_critic(), resnet_logits, (3, 16, 16)),
    "projection generator": (
        bound(adapters.load_chainer_projection_generator),
        projection_generator(),
        lambda arrays, z: resnet_images(arrays, z, last="l5", labels=LABELS),
        (5,),
    ),
    "projection generator of 32 pixels": (
        bound(adapters.load_chainer_projection_generator),
        projection_generator((6, 6, 6, 6)),
        lambda arrays, z: resnet_images(arrays, z, labels=LABELS),
        (5,),
    ),
    "projection critic": (
        bound(adapters.load_chainer_projection_critic),
        projection_critic(),
        lambda arrays, x: resnet_logits(arrays, x, halvings=3, labels=LABELS),
        (3, 16, 16),
    ),
    "projection critic without bias": (
        bound(adapters.load_chainer_projection_critic),
        projection_critic((6, 6, 6, 6), bias=0),
        lambda arrays, x: resnet_logits(arrays, x, halvings=3, labels=LABELS),
        (3, 16, 16),
    ),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "published.npz"


def inputs(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(5, *shape, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("case", CASES)
def test_outputs_are_chainer_s(case: str, path: Path) -> None:
    load, arrays, reference, shape = CASES[case]
    np.savez(path, **arrays)
    before = torch.get_rng_state()
    network, x = load(path), inputs(shape)
    assert torch.equal(before, torch.get_rng_state())
    assert not any(module.training for module in network.modules())
    expected = reference(arrays, x.double())
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(x).double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network(x), network(x), rtol=0, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_a_fast_copy_is_the_same(case: str, path: Path) -> None:
    load, arrays, _, shape = CASES[case]
    np.savez(path, **arrays)
    network = load(path)
    fast, _ = wf.prepare(network, nn.Identity())
    torch.testing.assert_close(fast(inputs(shape)), network(inputs(shape)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [SNDCGAN])
def test_stored_vectors_are_used_where_there_are_some(names: tuple[str, ...], path: Path) -> None:
    draw = Draw()
    draw.arrays = dcgan_critic(names)
    draw.vectors()
    np.savez(path, **draw.arrays)
    critic, x = adapters.load_chainer_sndcgan_critic(path), inputs((3, 16, 16))
    expected = dcgan_logits(draw.arrays, x.double(), names, True)
    torch.testing.assert_close(critic(x).double(), expected, rtol=1e-5, atol=1e-5)
    without = dcgan_logits(dcgan_critic(names), x.double(), names, True)
    assert (expected / without - 1).abs().max() > 0.1


def test_the_last_layer_of_the_residual_critic_sums_over_positions(path: Path) -> None:
    """An image of twice the sides, all alike, has four times the logit."""
    arrays = resnet_critic()
    for name in arrays:
        if name.endswith("/c2/W") or (name.endswith("/W") and "c1" in name):
            arrays[name][:] = 0  # shortcuts alone: edges play no part
            arrays[name][0, 0, 1, 1] = 1
    np.savez(path, **{name: value * 0 if name.endswith("/b") else value for name, value in arrays.items()})
    critic = adapters.load_chainer_snresnet_critic(path)
    small, large = critic(torch.ones(1, 3, 16, 16)), critic(torch.ones(1, 3, 32, 32))
    assert small.abs() > 0
    torch.testing.assert_close(large, 4 * small)


@pytest.mark.parametrize("case", CASES)
def test_every_array_must_be_there(case: str, path: Path) -> None:
    load, arrays, _, _ = CASES[case]
    # A bias is looked for where it may be; of the last layer it may be absent.
    optional = ("/N", "/u", "l5/b") if "projection" in case else ("/N", "/u")
    last_of_a_kind = {name.partition("/")[2]: name for name in arrays if not name.endswith(optional)}
    for name in last_of_a_kind.values():
        np.savez(path, **{other: value for other, value in arrays.items() if other != name})
        with pytest.raises(ValueError, match=rf"published\.npz lacks '{name}'; it is truncated, or of another network"):
            load(path)


@pytest.mark.parametrize("case", CASES)
def test_files_of_other_networks_are_refused(case: str, path: Path) -> None:
    load, _, _, _ = CASES[case]
    for other, (_, arrays, _, _) in CASES.items():
        if other.split(" of ")[0].split(" without ")[0] == case.split(" of ")[0].split(" without ")[0]:
            continue
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=r"published\.npz (lacks '|holds .* class-conditional; read it with)"):
            load(path)


@pytest.mark.parametrize("case", CASES)
def test_layers_that_this_network_has_not_are_refused(case: str, path: Path) -> None:
    """Such as the attention of DOT's SAGAN files, whose other layers have the same names."""
    load, arrays, _, _ = CASES[case]
    np.savez(path, **arrays, **{"sa1/g/W": np.ones((2, 2), np.float32)})
    with pytest.raises(ValueError, match=r"published\.npz holds 'sa1/g/W', which this network has not"):
        load(path)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kept", [0, 0.3, 0.99])
def test_truncated_files_are_refused(case: str, kept: float, path: Path) -> None:
    load, arrays, _, _ = CASES[case]
    np.savez(path, **arrays)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=r"published\.npz is not a whole npz file"):
        load(path)


@pytest.mark.parametrize(
    ("case", "change", "message"),
    [
        (
            "SN-DCGAN generator",
            {"bn1/avg_var": np.ones(9, np.float32)},
            r"bn1/avg_var is float32 \(9,\); .*floats \(8\)",
        ),
        ("SN-DCGAN generator", {"l0/W": np.ones((63, 6), np.float32)}, "l0/W makes 63 numbers, which are no square"),
        ("SN-DCGAN critic", {"c1_0/W": np.ones((4, 4, 5, 5), np.float32)}, r"floats \(4, 4, 3, 3\)"),
        ("SN-DCGAN critic", {"l4/W": np.ones((1, 63), np.float32)}, "l4/W takes 63 numbers, no square of c3_0/W's 16"),
        ("SN-DCGAN critic", {"l4/b": np.full(1, np.nan, np.float32)}, "l4/b holds numbers that are not finite"),
        ("SN-ResNet generator", {"l1/W": np.ones((20, 5), np.float32)}, "l1/W makes 20 numbers, which are no square"),
        (
            "SN-ResNet generator",
            {"block2/b1/gammas/W": np.ones((9, 6), np.float32)},
            "read it with load_chainer_projection_generator",
        ),
        ("SN-ResNet critic", {"l_y/W": np.ones((9, 6), np.float32)}, "read it with load_chainer_projection_critic"),
        ("SN-ResNet critic", {"block2/c1/u": np.ones((1, 7), np.float32)}, r"block2/c1/u is .* floats \(1, 6\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(case: str, change: Arrays, message: str, path: Path) -> None:
    load, arrays, _, _ = CASES[case]
    np.savez(path, **(arrays | change))
    with pytest.raises(ValueError, match=rf"published\.npz.*{message}"):
        load(path)


def test_the_published_pairs_refine(path: Path, tmp_path: Path) -> None:
    """SN-ResNet's generator with SN-DCGAN's critic as surrogate, as DGflow has it."""
    np.savez(path, **resnet_generator())
    np.savez(tmp_path / "critic.npz", **dcgan_critic(SNDCGAN))
    generator = adapters.load_chainer_snresnet_generator(path)
    critic = adapters.load_chainer_sndcgan_critic(tmp_path / "critic.npz")
    z = wf.spaces.Normal(5).sample(6, seed=0)
    r = wf.refine(critic, z, generator, integrator=wf.EulerMaruyama(0.1), steps=10)
    assert bool((critic(r.samples) > critic(generator(z))).all())


def test_what_is_read_can_be_saved_as_the_library_s_own(path: Path, tmp_path: Path) -> None:
    networks = {}
    cases = {"sndcgan": "SN-DCGAN generator", "resnet": "SN-ResNet generator", "critic": "SN-ResNet critic"}
    cases |= {"dcgan": "SN-DCGAN critic", "wgan": "WGAN critic"}
    for name, case in cases.items():
        load, arrays, _, _ = CASES[case]
        np.savez(path, **arrays)
        networks[name] = load(path)
    recipes = {
        "sndcgan": Recipe("SNDCGANGenerator", {"channels": 16, "latent_dim": 6, "image_size": 16}),
        "resnet": Recipe("SNResNetGenerator", {"channels": 6, "latent_dim": 5, "image_size": 16}),
        "critic": Recipe("SNResNetCritic", {"channels": 6}),
        "dcgan": Recipe("DCGANCritic", {"channels": 16, "image_size": 16}),
        "wgan": Recipe("DCGANCritic", {"channels": 16, "image_size": 16, "normalise": False}),
    }
    save_pretrained(tmp_path / "saved", Card("read", "", "", "", "", recipes), networks)
    back = load_pretrained(tmp_path / "saved").networks
    for name, case in cases.items():
        shape = CASES[case][3]
        torch.testing.assert_close(back[name](inputs(shape)), networks[name](inputs(shape)), rtol=0, atol=0)
