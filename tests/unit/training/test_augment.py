from __future__ import annotations

import torch

from wasserflow.training.augment import crop, flip


def test_half_of_the_images_are_mirrored() -> None:
    images = torch.randint(0, 256, (4000, 3, 2, 5), dtype=torch.uint8)
    images[:, :, :, 0], images[:, :, :, -1] = 0, 255
    flipped = flip(images, torch.Generator().manual_seed(0))
    mirrored = flipped[:, 0, 0, 0] == 255
    assert torch.equal(flipped[mirrored], images[mirrored].flip(3))
    assert torch.equal(flipped[~mirrored], images[~mirrored])
    assert 1850 < mirrored.sum() < 2150  # 4.7 standard deviations


def test_crops_are_the_shifts_of_the_mirrored_image() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="reflect")
    shifts = [padded[0, 0, i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    cropped = crop(image.expand(2000, 1, 4, 4), padding=1, generator=torch.Generator().manual_seed(0))
    counts = [int((cropped[:, 0] == shift).all(dim=(1, 2)).sum()) for shift in shifts]
    assert sum(counts) == 2000
    assert min(counts) > 150  # 222 expected of each, standard deviation 14


def test_no_padding_is_no_change() -> None:
    images = torch.randn(3, 2, 4, 6)
    assert torch.equal(crop(images, 0, torch.Generator()), images)
