"""The npz files of chainer's SN-DCGAN and SN-ResNet, against their forward passes in plain torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import wasserflow as wf
from chainer_networks import (
    SNDCGAN,
    WGAN,
    Arrays,
    Draw,
    dcgan_critic,
    dcgan_generator,
    dcgan_images,
    dcgan_logits,
    projection_critic,
    projection_generator,
    resnet_critic,
    resnet_generator,
    resnet_images,
    resnet_logits,
)
from wasserflow.models import adapters
from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained

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
