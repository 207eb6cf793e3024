"""A CLIP model small enough to train on one core, with a tokenizer of whole words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wasserflow.models.clip import ClipEncoder

_PAD, _UNKNOWN, _START, _END = "<pad>", "<unk>", "<start>", "<end>"


def small_clip(words: Iterable[str], image_size: int = 32, patch_size: int = 4, width: int = 128) -> ClipEncoder:
    """Build an untrained CLIP model of fewer than a million parameters.

    A vision transformer of 4 layers, a text transformer of 2 layers, both with 4 heads, projected to 64 features;
    its tokenizer knows whole words in lower case. Pixels are mapped back to [-1, 1].

    Args:
        words: what the tokenizer shall know.
        image_size: pixels of a side.
        patch_size: pixels of a patch's side.
        width: channels of the vision transformer, a multiple of 16; the text transformer has three quarters of them.

    Returns:
        The encoder, its weights drawn from torch's global stream.

    Raises:
        ImportError: `transformers` is not installed.
        ValueError: a width that is no multiple of 16, or a patch larger than the image.

    Source:
        Radford et al., Learning transferable visual models from natural language supervision, ICML 2021, section 2.4.

    Example:
        >>> import torch
        >>> from wasserflow.models.small_clip import small_clip
        >>> clip = small_clip("a photo of a cat dog".split())
        >>> clip.text_features(["a cat", "a dog"]).shape
        torch.Size([2, 64])
    """
    try:
        from transformers import CLIPConfig, CLIPModel
    except ImportError as error:
        raise ImportError("CLIP models need transformers; install wasserflow[clip]") from error
    if width < 16 or width % 16:
        raise ValueError(f"width is {width}; it must be a positive multiple of 16")
    if not 1 <= patch_size <= image_size:
        raise ValueError(f"patch_size is {patch_size}; it must lie between 1 and image_size, {image_size}")
    tokenizer = word_tokenizer(words)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": width * 3 // 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": width * 3 // 2,
        "max_position_embeddings": tokenizer.model_max_length,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {
        "image_size": image_size,
        "patch_size": patch_size,
        "hidden_size": width,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": width * 3,
    }
    common = {"hidden_act": "gelu", "projection_dim": 64}
    config = CLIPConfig(text_config=text | common, vision_config=vision | common, projection_dim=64)
    return ClipEncoder(CLIPModel(config), tokenizer, mean=(0.5,) * 3, std=(0.5,) * 3)


def word_tokenizer(words: Iterable[str], longest: int = 16) -> Any:
    """Make a tokenizer of whole words, in lower case and without full stops, a mark before and after each prompt.

    Args:
        words: what it shall know; other words become the unknown word.
        longest: most tokens of a prompt, the two marks among them.

    Returns:
        A `transformers.PreTrainedTokenizerFast`.

    Example:
        >>> from wasserflow.models.small_clip import word_tokenizer
        >>> word_tokenizer(["a", "dog"])("A dog.")["input_ids"]
        [2, 4, 5, 3]
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    marks = [_PAD, _UNKNOWN, _START, _END]
    vocabulary = {word: number for number, word in enumerate([*marks, *sorted({word.lower() for word in words})])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(".", "")])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_START} $A {_END}", special_tokens=[(mark, vocabulary[mark]) for mark in (_START, _END)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        bos_token=_START,
        eos_token=_END,
        model_max_length=longest,
    )
