from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wasserflow.data.toy import SwissRoll
from wasserflow.metrics.toy import wasserstein2
from wasserflow.models.adapters.chainer import load_chainer_mlp
from wasserflow.spaces import Box


def arrays(sizes: list[int], numbers: list[int]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    layers: dict[str, np.ndarray] = {}
    for number, (a, b) in zip(numbers, pairwise(sizes), strict=True):
        layers[f"l{number}/W"] = draw.normal(size=(b, a)).astype(np.float32)
        layers[f"l{number}/b"] = draw.normal(size=b).astype(np.float32)
    return dict(sorted(layers.items(), reverse=True))


def saved(path: Path, layers: dict[str, np.ndarray]) -> Path:
    np.savez(path, **layers)
    return path


@pytest.mark.parametrize("numbers", [[0, 1, 2], [1, 2, 4], [0, 2, 10]])
def test_layers_follow_their_numbers_with_leaky_relu_between(tmp_path: Path, numbers: list[int]) -> None:
    layers = arrays([2, 3, 3, 3], numbers)
    model = load_chainer_mlp(saved(tmp_path / "g.npz", layers))
    x = np.random.default_rng(1).normal(size=(7, 2)).astype(np.float32)
    h = x
    for place, number in enumerate(numbers):
        h = h @ layers[f"l{number}/W"].T + layers[f"l{number}/b"]
        h = h if place == 2 else np.where(h > 0, h, 0.2 * h)
    np.testing.assert_allclose(model(torch.from_numpy(x)).detach().numpy(), h, rtol=1e-5, atol=1e-6)
    assert not model.training


NAMES = {
    "fully connected": ["fc1", "fc2", "fc10"],
    "linear": ["linear1", "linear2", "linear3"],
    "classifier": ["predictor/l0", "predictor/l1", "predictor/l2"],
    "snapshot of a trainer": ["updater/model:main/l0", "updater/model:main/l1", "updater/model:main/l2"],
    "sequential": ["0", "2", "10"],
    "lists of lists": ["0/0", "0/1", "1/0"],
    "last of its name": ["l2", "l11", "l_out"],
    "last of a network": ["net/l2", "net/l11", "net/lout"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_layers_of_other_names_follow_their_numbers(tmp_path: Path, names: list[str]) -> None:
    layers = arrays([3, 3, 3, 3], [0, 1, 2])
    others = {f"{name}/{kind}": layers[f"l{i}/{kind}"] for i, name in enumerate(names) for kind in "Wb"}
    more = {
        "updater/optimizer:main/t": np.array(7),
        "updater/optimizer:main/l0/W/m": np.zeros((3, 3), np.float32),
        "updater/iteration": np.array(7),
    }
    plain, model = (
        load_chainer_mlp(saved(tmp_path / "g.npz", dict(reversed(each.items())))) for each in (layers, others | more)
    )
    x = torch.randn(5, 3)
    assert torch.equal(plain(x), model(x))


def test_a_layer_without_bias(tmp_path: Path) -> None:
    layers = arrays([2, 3, 1], [0, 1])
    del layers["l0/b"]
    model = load_chainer_mlp(saved(tmp_path / "g.npz", layers), activation=nn.ReLU)
    h = np.maximum(np.ones((1, 2), np.float32) @ layers["l0/W"].T, 0)
    np.testing.assert_allclose(
        model(torch.ones(1, 2)).detach().numpy(), h @ layers["l1/W"].T + layers["l1/b"], rtol=1e-5
    )


def test_the_activation_is_the_callers(tmp_path: Path) -> None:
    model = load_chainer_mlp(saved(tmp_path / "g.npz", arrays([2, 3, 1], [0, 1])), activation=nn.ReLU)
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, nn.Linear]


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path / "g.npz", arrays([2, 3, 1], [0, 1]))
    before = torch.get_rng_state()
    load_chainer_mlp(path)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l1/W": None}, "lacks 'l1/W'"),
        ({"l1/W": np.ones((1, 4), np.float32)}, "l1/W takes 4 inputs, the layer before gives 3"),
        ({"l0/b": np.ones(5, np.float32)}, r"l0/b is float32 \(5,\); allowed are floats \(3\)"),
        ({"l0/b": np.ones((3, 1), np.float32)}, r"l0/b is float32 \(3, 1\); allowed are floats \(3\)"),
        ({"l0/b": np.ones(3, np.int64)}, "l0/b is int64"),
        ({"l0/b": np.full(3, np.nan, np.float32)}, "l0/b holds numbers that are not finite"),
        ({"bn/gamma": np.ones(3, np.float32)}, "holds 'bn/gamma'; only layers such as 'l0/W'"),
        ({"first/W": np.ones((3, 3), np.float32)}, "holds 'first/W'; only layers .* with a number in its name"),
        ({"fc1/W": np.ones((1, 3), np.float32)}, "'l1' and 'fc1' have the same number|'fc1' and 'l1' have the same"),
        ({"critic/l2/W": np.ones((1, 3), np.float32)}, "of several networks; save one by itself"),
    ],
)
def test_layers_which_do_not_fit_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray | None], message: str
) -> None:
    layers = {k: v for k, v in (arrays([2, 3, 1], [0, 1]) | change).items() if v is not None}
    with pytest.raises(ValueError, match=rf"broken\.npz.*{message}"):
        load_chainer_mlp(saved(tmp_path / "broken.npz", layers))


@pytest.mark.parametrize("kept", [0, 10, 100, 700, -30, -1])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    content = saved(tmp_path / "whole.npz", arrays([2, 30, 1], [0, 1])).read_bytes()
    path = tmp_path / "broken.npz"
    path.write_bytes(content[:kept])
    with pytest.raises(ValueError, match=r"broken\.npz is not a whole npz file"):
        load_chainer_mlp(path)


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_with_flipped_bytes_is_refused_by_name(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "broken.npz"
    (np.savez_compressed if compress else np.savez)(path, **arrays([2, 30, 1], [0, 1]))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 - 40 : len(content) // 2] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.npz is not a whole npz file"):
        load_chainer_mlp(path)


def test_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    text, array, empty = (tmp_path / name for name in ("text.npz", "array.npy", "empty.npz"))
    text.write_text("these are no weights")
    np.save(array, np.zeros(3))
    np.savez(empty)
    with pytest.raises(ValueError, match=r"text\.npz is not a whole npz file"):
        load_chainer_mlp(text)
    with pytest.raises(ValueError, match=r"array\.npy is not a whole npz file"):
        load_chainer_mlp(array)
    with pytest.raises(ValueError, match=r"empty\.npz holds no layers"):
        load_chainer_mlp(empty)
    with pytest.raises(FileNotFoundError, match=r"absent\.npz does not exist"):
        load_chainer_mlp(tmp_path / "absent.npz")


def test_pickled_arrays_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "pickled.npz"
    np.savez(path, **{"l0/W": np.array([[print]], dtype=object)})
    with pytest.raises(ValueError, match=r"pickled\.npz is not a whole npz file"):
        load_chainer_mlp(path)


@pytest.fixture
def published(data_dir: Path) -> Path:
    folder = data_dir / "dot_swissroll"
    if not folder.is_dir():
        pytest.skip(f"no published pair in {folder}")
    return folder


def sizes(model: nn.Sequential) -> list[int]:
    linears = [m for m in model if isinstance(m, nn.Linear)]
    return [linears[0].in_features, *(m.out_features for m in linears)]


def test_the_published_generator_draws_the_swiss_roll(published: Path) -> None:
    generator = load_chainer_mlp(published / "generator.npz")
    assert sizes(generator) == [2, 256, 256, 256, 2]

    def draw(seed: int) -> Tensor:
        with torch.no_grad():
            return generator(Box(-1.0, 1.0, 2).sample(1000, seed=seed))

    distances = [wasserstein2(draw(seed), SwissRoll().sample(1000, seed=seed)) for seed in range(3)]
    # Two true sets of this size are 0.1 to 0.2 apart; with ReLU in place of leaky ReLU it is above 0.5.
    assert sum(distances) / 3 < 0.25


def test_the_published_critic_ranks_data_above_displaced_data(published: Path) -> None:
    critic = load_chainer_mlp(published / "critic.npz")
    assert sizes(critic) == [2, 512, 512, 512, 1]
    x = SwissRoll().sample(2000, seed=0)
    with torch.no_grad():
        gap = critic(x).mean() - critic(x + torch.tensor([0.3, 0.0])).mean()
    assert gap > 0.05
