"""Pictures of images, read back pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wasserflow.reports import captioned, image_grid, side_by_side, trajectory_rows


def test_each_image_lies_where_it_should_with_its_own_values() -> None:
    images = torch.randint(0, 256, (5, 3, 4, 6), dtype=torch.uint8)
    sheet = np.asarray(image_grid(images, columns=3, scale=2))
    assert sheet.shape == (2 * (8 + 2) + 2, 3 * (12 + 2) + 2, 3)
    for number in range(5):
        top, left = 2 + number // 3 * 10, 2 + number % 3 * 14
        shown = sheet[top : top + 8, left : left + 12]
        for dy in (0, 1):
            np.testing.assert_array_equal(shown[dy::2, dy::2], images[number].permute(1, 2, 0).numpy())
    assert (sheet[12:, 2 + 2 * 14 :] == 255).all(), "the empty place is paper"


def test_floats_are_read_on_minus_one_to_one() -> None:
    images = torch.tensor([-1.0, 0.0, 1.0, 1.2]).reshape(4, 1, 1, 1)
    sheet = np.asarray(image_grid(images, columns=4, scale=1))
    assert sheet[2, 2::3].tolist() == [[value] * 3 for value in (0, 128, 255, 255)]


def test_small_images_are_enlarged_and_the_grid_is_square() -> None:
    assert image_grid(torch.zeros(9, 1, 28, 28)).size == (3 * (84 + 2) + 2,) * 2
    assert image_grid(torch.zeros(1, 3, 100, 100)).size == (104, 104)


def test_pictures_stand_beside_each_other() -> None:
    left, right = image_grid(torch.full((1, 1, 64, 64), -1.0)), image_grid(torch.zeros(1, 1, 64, 64))
    both = np.asarray(side_by_side([left, right], ["before", "after"]))
    assert both[-10, 10].tolist() == [0, 0, 0]
    assert both[-10, -10].tolist() == [128, 128, 128]
    assert (both[:30] < 100).any(), "the captions are written"


def test_rows_are_samples_and_columns_steps() -> None:
    trajectory = [torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 64, 64) * (1 - k) for k in (0, 0.5, 1)]
    picture = np.asarray(trajectory_rows(trajectory, steps=[0, 5, 10], samples=2))
    middle = picture[-100, [34, 34 + 68, 34 + 136], 0], picture[-34, [34, 34 + 68, 34 + 136], 0]
    assert [row.tolist() for row in middle] == [[0, 64, 128], [255, 191, 128]]


def test_a_caption_adds_height_and_no_more_width_than_it_needs() -> None:
    picture = image_grid(torch.zeros(1, 1, 64, 64))
    assert captioned(picture, "step 1").size == (picture.width, picture.height + 36)
    wide = captioned(picture, "a caption that is wider than the picture " * 3)
    assert wide.width > picture.width
    left = (wide.width - picture.width) // 2
    assert np.array_equal(np.asarray(wide)[36:, left : left + picture.width], np.asarray(picture))


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        (torch.zeros(4, 8, 8, 3), ValueError, r"\(4, 8, 8, 3\)"),
        (torch.zeros(0, 3, 8, 8), ValueError, "n at least 1"),
        (torch.full((1, 1, 8, 8), torch.nan), ValueError, "NaN"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.int64), TypeError, "int64"),
    ],
)
def test_what_is_no_image_is_refused(images: torch.Tensor, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        image_grid(images)


def test_bad_layouts_are_refused() -> None:
    images = torch.zeros(2, 1, 8, 8)
    with pytest.raises(ValueError, match="columns is 0"):
        image_grid(images, columns=0)
    with pytest.raises(ValueError, match="1 captions for 2 pictures"):
        side_by_side([image_grid(images)] * 2, ["before"])
    with pytest.raises(ValueError, match="2 steps for 1 sets"):
        trajectory_rows([images], steps=[0, 1])
