"""Files of chainer's GANs and their forward passes in plain torch, for the tests of the adapters.

The names, axes and constants are those of pfnet-research/chainer-gan-lib (`common/net.py`), which DOT and DGflow use,
and of pfnet-research/sngan_projection (`gen_models/resnet.py` and `resnet_32.py`, `dis_models/snresnet.py` and
`snresnet_32.py`).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

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
