"""The CLIP encoder: what the processor of transformers computes, with gradients; and its checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

import wasserflow as wf
from wasserflow.data.captions import captions
from wasserflow.data.images import LabelledImages, cifar10, to_float
from wasserflow.models import ClipEncoder, load_clip, small_clip
from wasserflow.models.clip import CLIP_MEAN, CLIP_STD
from wasserflow.training.clip import zero_shot_accuracy

transformers = pytest.importorskip("transformers")

WORDS = ["a", "photo", "of", "cat", "dog"]


def tiny(size: int = 8, mean: tuple[float, ...] = CLIP_MEAN, std: tuple[float, ...] = CLIP_STD) -> ClipEncoder:
    torch.manual_seed(0)
    small = small_clip(WORDS, image_size=size, patch_size=4, width=16)
    return ClipEncoder(small.clip, small.tokenizer, mean, std).eval()


@pytest.fixture(scope="module")
def real(data_dir: Path) -> LabelledImages:
    return cifar10("validation")[:20]


@pytest.mark.parametrize("size", [224, 40, 24, 32])
@pytest.mark.parametrize("width", [32, 25, 29])
def test_preprocessing_is_that_of_transformers(real: LabelledImages, size: int, width: int) -> None:
    """Bytes are rounded there and not here, after each axis: about a step of 1/255, over a deviation of 0.26."""
    from transformers import CLIPImageProcessor

    images = real.images[..., :width]
    processor = CLIPImageProcessor(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    expected = processor([image.permute(1, 2, 0).numpy() for image in images], return_tensors="pt")["pixel_values"]
    ours = tiny(size).preprocess(to_float(images))
    assert ours.shape == expected.shape
    torch.testing.assert_close(ours, expected, rtol=0, atol=2.5e-2)
    assert (ours - expected).abs().mean() < 5e-3


def test_preprocessing_by_hand() -> None:
    encoder = tiny(8, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    images = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    expected = torch.tensor([-1.0, 0.25, 0.5]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(encoder.preprocess(images), expected)
    # A wide image is cut in the middle, whatever its ends hold.
    wide = torch.full((1, 3, 8, 12), -1.0)
    wide[..., 2:10] = images
    torch.testing.assert_close(encoder.preprocess(wide), expected)


@pytest.mark.parametrize("side", [8, 13, 5])
def test_gradient_through_the_resize_is_that_of_the_values(side: int) -> None:
    encoder = tiny().double()
    direction = torch.randn(2, 3, side, side, dtype=torch.float64)
    # Inside [-0.3, 0.3] the bicubic filter cannot overshoot the range, where its clipping has a kink.
    images = (torch.rand(2, 3, side, side, dtype=torch.float64) * 0.6 - 0.3).requires_grad_()
    target = normalize(torch.randn(64, dtype=torch.float64), dim=0)

    def similarity(x: Tensor) -> Tensor:
        return (encoder(x) @ target).sum()

    (gradient,) = torch.autograd.grad(similarity(images), images)
    width = 1e-5
    with torch.no_grad():
        slope = (similarity(images + width * direction) - similarity(images - width * direction)) / (2 * width)
    torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-10)
    assert gradient.flatten(1).norm(dim=1).min() > 0


def test_features_are_those_of_the_model() -> None:
    encoder = tiny()
    images, prompts = torch.rand(3, 3, 8, 8) * 2 - 1, ["a photo of a cat", "a dog"]
    tokens = encoder.tokenizer(prompts, padding=True, return_tensors="pt")
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    output = encoder.clip(input_ids=ids, attention_mask=mask, pixel_values=encoder.preprocess(images))
    image, text = encoder(images), encoder.text_features(prompts)
    torch.testing.assert_close(image, output.image_embeds)
    torch.testing.assert_close(text, output.text_embeds)
    torch.testing.assert_close(encoder.scale * image @ text.T, output.logits_per_image)
    # Padding is not read.
    torch.testing.assert_close(encoder.text_features(prompts[1:])[0], text[1])


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.zeros(2, 1, 8, 8), ValueError, "grey"),
        (torch.zeros(2, 8, 8, 3), ValueError, "permute"),
        (torch.full((2, 3, 8, 8), 255.0), ValueError, r"\[-1, 1\]"),
        (torch.full((2, 3, 8, 8), float("nan")), ValueError, "finite"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), TypeError, "to_float"),
        (torch.zeros(3, 8, 8), ValueError, "shape"),
    ],
)
def test_what_is_no_image_is_refused(
    images: Tensor, error: type[Exception], says: str, unchecked_annotations: None
) -> None:
    with pytest.raises(error, match=says):
        tiny()(images)


def test_bad_prompts_are_refused(unchecked_annotations: None) -> None:
    encoder = tiny()
    with pytest.raises(TypeError, match=r"\['a dog'\]"):
        encoder.text_features("a dog")
    with pytest.raises(ValueError, match="no prompts"):
        encoder.text_features([])
    with pytest.raises(ValueError, match=r"'a zebra' .* never read"):
        encoder.text_features(["a dog", "a zebra"])
    with pytest.raises(ValueError, match=r"20 tokens; .* at most 16"):
        encoder.text_features(["dog " * 18])


def test_a_checkpoint_is_read_as_it_was(tmp_path: Path) -> None:
    encoder = tiny(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    encoder.save_pretrained(tmp_path / "clip")
    again = load_clip(tmp_path / "clip")
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(again(images), encoder(images))
    torch.testing.assert_close(again.text_features(["a dog."]), encoder.text_features(["A dog"]))
    assert not again.training
    assert not any("bin" in path.suffix for path in (tmp_path / "clip").iterdir())
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "clip")
    assert list(processor.image_mean) == pytest.approx([0.1, 0.2, 0.3])
    (tmp_path / "clip" / "preprocessor_config.json").unlink()
    assert load_clip(tmp_path / "clip").mean.flatten().tolist() == pytest.approx(CLIP_MEAN)


def test_half_precision_checkpoints_are_read_in_single(tmp_path: Path) -> None:
    encoder = tiny()
    encoder.clip.half().save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    assert load_clip(tmp_path).clip.logit_scale.dtype == torch.float32


def test_what_is_no_clip_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        load_clip(tmp_path / "nowhere")
    bert = transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    bert.save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match=r"'bert' model; give one of a CLIPModel"):
        load_clip(tmp_path / "bert")
    encoder = tiny()
    encoder.save_pretrained(tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save(encoder.clip.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors"):
        load_clip(tmp_path / "pickled")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="visual_projection"):
        load_clip(tmp_path)


def test_the_shipped_model_names_what_it_sees(data_dir: Path) -> None:
    """Its card says 57.5 % of all 5,000; the first 500 are within three standard deviations of that."""
    encoder = wf.zoo.load("cifar10-clip").model
    assert encoder.clip.config.model_type == "clip"
    accuracy = 100 * zero_shot_accuracy(encoder, captions(), cifar10("validation")[:500])
    assert accuracy == pytest.approx(57.5, abs=6.6)
    folder = wf.zoo.folder_of("cifar10-clip")
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < 4e6
    dog, ship = encoder.text_features(["a photo of a dog", "a photo of a ship"])
    assert dog @ ship < 0.9
