"""Read CLIP checkpoints of the Hugging Face hub or of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wasserflow.models.clip import CLIP_MEAN, CLIP_STD, ClipEncoder


def load_clip(source: str | Path) -> ClipEncoder:
    """Load a CLIP model, its tokenizer and its preprocessing numbers.

    Weights are read from safetensors only and kept in single precision. Checkpoints without a preprocessing file get
    the colours' means and deviations of OpenAI's.

    Args:
        source: a name on the hub, such as `openai/clip-vit-base-patch32`, or a folder that `save_pretrained` wrote.

    Returns:
        The encoder, in eval mode, on the CPU: `.clip` is the `CLIPModel`, `.tokenizer`, `.mean` and `.std` go with it.

    Raises:
        ImportError: `transformers` is not installed.
        ValueError: no such checkpoint, one of another kind of model, one without safetensors or without all weights.

    Example:
        >>> import wasserflow as wf
        >>> clip = wf.models.load_clip(wf.zoo.folder_of("cifar10-clip") / "model")
        >>> clip.image_size, clip.training
        (32, False)
    """
    try:
        from transformers import AutoConfig, AutoTokenizer, CLIPModel
        from transformers.image_processing_base import ImageProcessingMixin
    except ImportError as error:
        raise ImportError("CLIP models need transformers; install wasserflow[clip]") from error
    source = str(source)
    kind = _read(AutoConfig.from_pretrained, source).model_type
    if kind != "clip":
        raise ValueError(f"{source} is a checkpoint of a {kind!r} model; give one of a CLIPModel")
    with _without_bars():
        clip, report = _read(CLIPModel.from_pretrained, source, use_safetensors=True, output_loading_info=True)
    if report["missing_keys"]:
        raise ValueError(f"{source} lacks the weights {sorted(report['missing_keys'])[:3]}; fetch the checkpoint again")
    tokenizer = _read(AutoTokenizer.from_pretrained, source)
    try:
        numbers = ImageProcessingMixin.get_image_processor_dict(source)[0]
    except OSError:
        numbers = {}
    mean, std = numbers.get("image_mean", CLIP_MEAN), numbers.get("image_std", CLIP_STD)
    return ClipEncoder(clip.float(), tokenizer, mean, std).eval()


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep quiet of weights that are loaded in a blink; what is fetched from the hub shows its progress itself."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _read(reader: Any, source: str, **options: Any) -> Any:
    try:
        return reader(source, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{source} is neither a folder nor a name on the hub with a CLIP checkpoint in safetensors: {reason}"
        ) from error
