from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from huggingface_hub import HfApi
from PIL import Image

from wasserflow.data import images as module
from wasserflow.data.images import (
    LabelledImages,
    cifar10,
    image_folder,
    image_parquet,
    mnist,
    split_validation,
    to_float,
    to_uint8,
)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path: Path, pictures: list[np.ndarray], labels: list[int], column: str = "img") -> None:
    features = datasets.Features({column: datasets.Image(), "label": datasets.Value("int64")})
    rows = {column: [{"bytes": png(p), "path": None} for p in pictures], "label": labels}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)


def random_pictures(n: int, *shape: int) -> list[np.ndarray]:
    return list(torch.randint(0, 256, (n, *shape), dtype=torch.uint8).numpy())


@pytest.fixture
def local_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WASSERFLOW_DATA", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def test_the_floats_span_minus_one_to_one_and_come_back() -> None:
    bytes_ = torch.arange(256).to(torch.uint8)
    floats = to_float(bytes_)
    assert floats[0] == -1
    assert floats[-1] == 1
    torch.testing.assert_close(floats[127] + floats[128], torch.tensor(0.0))
    assert torch.equal(to_uint8(floats), bytes_)


def test_bytes_are_rounded_and_clipped() -> None:
    step = 1 / 127.5
    values = torch.tensor([-7.0, -1 + 0.4 * step, -1 + 0.6 * step, 3.0])
    assert to_uint8(values).tolist() == [0, 0, 1, 255]


@pytest.mark.usefixtures("unchecked_annotations")
def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"torch\.float32; give uint8"):
        to_float(torch.zeros(2))


def test_a_parquet_file_of_colour_images(tmp_path: Path) -> None:
    pictures = random_pictures(3, 6, 5, 3)
    write_parquet(tmp_path / "some.parquet", pictures, [4, 0, 7])
    data = image_parquet(tmp_path / "some.parquet", "img", "label")
    assert data.labels.tolist() == [4, 0, 7]
    assert data.images.shape == (3, 3, 6, 5)
    for image, picture in zip(data.images, pictures, strict=True):
        assert np.array_equal(image.permute(1, 2, 0).numpy(), picture)


def test_grey_images_have_one_channel_and_need_no_labels(tmp_path: Path) -> None:
    pictures = random_pictures(2, 4, 4)
    write_parquet(tmp_path / "grey.parquet", pictures, [1, 1], column="image")
    data = image_parquet([tmp_path / "grey.parquet"])
    assert data.images.shape == (2, 1, 4, 4)
    assert np.array_equal(data.images[1, 0].numpy(), pictures[1])
    assert data.labels.tolist() == [0, 0]


def test_a_missing_column_is_named_with_those_that_exist(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", random_pictures(1, 4, 4), [0], column="picture")
    with pytest.raises(ValueError, match=r"no column 'image'; it has picture, label"):
        image_parquet(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"no column 'img'; it has picture, label"):
        image_parquet(tmp_path / "x.parquet", "img")


def test_the_column_of_the_hub_s_cifar10_is_found(tmp_path: Path) -> None:
    pictures = random_pictures(2, 4, 4, 3)
    write_parquet(tmp_path / "x.parquet", pictures, [0, 1], column="img")
    assert np.array_equal(image_parquet(tmp_path / "x.parquet").images[1].permute(1, 2, 0).numpy(), pictures[1])


def test_images_of_different_shapes_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "x.parquet", random_pictures(1, 4, 4) + random_pictures(1, 5, 4), [0, 0])
    with pytest.raises(ValueError, match=r"different shapes, \(4, 4\) and \(5, 4\)"):
        image_parquet(tmp_path / "x.parquet", "img")


def test_splits_are_disjoint_and_in_order(local_data: Path) -> None:
    pictures = random_pictures(20, 8, 8, 3)
    (local_data / "cifar10").mkdir()
    write_parquet(local_data / "cifar10" / "train.parquet", pictures, list(range(20)))
    write_parquet(local_data / "cifar10" / "test.parquet", pictures[:5], [9] * 5)
    assert cifar10("train").labels.tolist() == list(range(18))
    assert cifar10("validation").labels.tolist() == [18, 19]
    assert cifar10("test").labels.tolist() == [9] * 5


def test_absent_data_says_where_it_could_come_from(local_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(HfApi, "dataset_info", offline)
    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(FileNotFoundError, match=r"ylecun/mnist.*WASSERFLOW_DATA.*mnist/train\.parquet"):
        mnist("train")


def test_without_the_network_only_what_was_fetched_before_is_looked_at(
    local_data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(HfApi, "dataset_info", unreachable)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", local_data)
    before = datasets.config.HF_HUB_OFFLINE
    with pytest.raises(FileNotFoundError, match="the Hugging Face hub did not give it"):
        mnist("train")
    assert "Retrying" not in "".join(capfd.readouterr())
    assert before == datasets.config.HF_HUB_OFFLINE


def test_the_hub_is_asked_by_name(local_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(HfApi, "dataset_info", lambda *_, **__: None)

    def hub(name: str, split: str) -> datasets.Dataset:
        asked.append((name, split))
        images = [Image.fromarray(p) for p in random_pictures(10, 32, 32, 3)]
        features = datasets.Features({"img": datasets.Image(), "label": datasets.Value("int64")})
        return datasets.Dataset.from_dict({"img": images, "label": [0] * 10}, features=features)

    monkeypatch.setattr(datasets, "load_dataset", hub)
    assert len(cifar10("train")) == 9
    assert asked == [("uoft-cs/cifar10", "train")]


@pytest.mark.usefixtures("unchecked_annotations")
def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'valid'; it must be 'train', 'validation' or 'test'"):
        cifar10("valid")  # type: ignore[arg-type]


def test_a_folder_gives_its_classes(tmp_path: Path) -> None:
    pictures = random_pictures(3, 4, 4, 3)
    for name, picture in zip(("cat/1.png", "dog/0.png", "cat/0.png"), pictures, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(picture))
    (tmp_path / "notes.txt").write_text("not an image")
    data = image_folder(tmp_path)
    assert data.labels.tolist() == [0, 0, 1]
    assert np.array_equal(data.images[0].permute(1, 2, 0).numpy(), pictures[2])
    assert image_folder(tmp_path, size=2, channels=1).images.shape == (3, 1, 2, 2)


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no images"):
        image_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        image_folder(tmp_path / "absent")


def test_a_validation_tenth_needs_ten_images() -> None:
    data = LabelledImages(torch.zeros(9, 1, 2, 2, dtype=torch.uint8), torch.zeros(9, dtype=torch.int64))
    with pytest.raises(ValueError, match="9 images"):
        split_validation(data)


def test_the_shared_sets_have_their_published_sizes(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASSERFLOW_DATA", str(data_dir))
    digits = mnist("test")
    assert digits.images.shape[1:] == (1, 28, 28)
    assert set(digits.labels.tolist()) == set(range(10))
    assert module.cifar10("test").images.shape == (10_000, 3, 32, 32)
