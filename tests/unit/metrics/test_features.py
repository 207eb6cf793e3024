"""Features in batches, and the mistakes that are refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from wasserflow.metrics import check_images, extract_features, feature_batches


def pooled(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3))


def noise(n: int = 10, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, 8, 8) * 2 - 1


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_features_do_not_depend_on_the_batches(batch_size: int) -> None:
    images = noise()
    torch.testing.assert_close(extract_features(pooled, images, batch_size), pooled(images))
    torch.testing.assert_close(extract_features(pooled, images.split(batch_size)), pooled(images))


def test_batches_are_read_one_at_a_time() -> None:
    read = []

    def loader() -> Iterator[Tensor]:
        for number in range(5):
            read.append(number)
            yield noise(2)

    features = feature_batches(pooled, loader())
    next(features)
    assert read == [0]


def test_no_gradient_is_kept_and_the_callers_grad_mode_stays() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    batches = feature_batches(net, noise().requires_grad_(), batch_size=5)
    assert not next(batches).requires_grad
    assert torch.is_grad_enabled()
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_a_net_in_train_mode_is_refused_and_stays_in_it() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192))
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        extract_features(net, noise())
    with pytest.raises(ValueError, match=r"call \.eval\(\)"):
        extract_features(lambda x: net(x), noise())
    assert net.training
    assert extract_features(net.eval(), noise()).shape == (10, 192)


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), TypeError, "torch.uint8.*to_float"),
        (torch.full((2, 3, 8, 8), 255.0), ValueError, r"lie in \[255, 255\].*in \[-1, 1\]"),
        (torch.full((2, 3, 8, 8), -1.01), ValueError, "-1.01"),
        (torch.full((2, 3, 8, 8), 1.01), ValueError, "1.01"),
        (torch.full((2, 3, 8, 8), torch.nan), ValueError, "nan"),
        (torch.full((2, 3, 8, 8), torch.inf), ValueError, "inf"),
        (torch.zeros(2, 8, 8, 3), ValueError, r"\(2, 8, 8, 3\).*permute\(0, 3, 1, 2\)"),
        (torch.zeros(2, 5, 8, 8), ValueError, "1 or 3"),
        (torch.zeros(3, 8, 8), ValueError, r"\(3, 8, 8\)"),
        (torch.tensor(0.0), ValueError, r"shape \(\)"),
        (torch.zeros(0, 3, 8, 8), ValueError, "there are none"),
    ],
)
def test_wrong_images_are_refused(images: Tensor, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        check_images(images)
    with pytest.raises(error, match=match):
        extract_features(pooled, images)


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192))

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images)


def test_a_method_is_refused_as_its_network_is_and_named_with_it() -> None:
    net = Classifier()
    with pytest.raises(ValueError, match=r"Classifier is in train mode.*call \.eval\(\)"):
        extract_features(net.features, noise())
    assert extract_features(net.eval().features, noise()).shape == (10, 192)
    with pytest.raises(ValueError, match=r"Classifier\.features refused images \(10, 1, 8, 8\)"):
        extract_features(net.features, noise(channels=1))


def test_images_that_seem_to_lie_on_zero_to_one_are_warned_about() -> None:
    with pytest.warns(UserWarning, match=r"are they on \[0, 1\]"):
        extract_features(pooled, torch.rand(10, 3, 8, 8))


def test_a_net_that_cannot_take_the_images_is_named_with_their_shape() -> None:
    with pytest.raises(ValueError, match=r"Conv2d refused images \(10, 1, 8, 8\).*expected input.* 3 channels"):
        extract_features(nn.Conv2d(3, 4, 3), noise(channels=1))


def test_a_net_that_does_not_return_features_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Identity returned \(10, 3, 8, 8\)"):
        extract_features(nn.Identity(), noise())


def test_features_that_are_not_finite_are_refused_with_the_image() -> None:
    images = noise()
    images[7] = 0.5

    def broken(batch: Tensor) -> Tensor:
        return pooled(batch) / (batch[:, :1, 0, 0] != 0.5)

    with pytest.raises(ValueError, match="image 7 are not finite"):
        extract_features(broken, images, batch_size=4)


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 0"):
        extract_features(pooled, noise(), batch_size=0)
    with pytest.raises(ValueError, match="no images"):
        extract_features(pooled, [])
