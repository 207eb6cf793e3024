"""Images and prompts of a CLIP model as vectors that can be compared, differentiable in the images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from wasserflow.checks import check_images

PREPROCESSING = "preprocessor_config.json"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

Images = Float[Tensor, "batch 3 height width"]


class ClipEncoder(nn.Module):
    """Both halves of a CLIP model: images (batch, 3, height, width) and prompts become unit vectors.

    A call encodes images, so the encoder is also a feature net: kernels and metrics take it as it is. It reads images
    as CLIP's own processor does: bicubic resize with antialiasing until the shorter side fits, centre crop, and
    (pixel - mean) / std of pixels on [0, 1]; only the rounding to bytes is left out, which has no gradient.

    Args:
        clip: a `transformers.CLIPModel`, or anything with its submodules and `config`.
        tokenizer: the tokenizer of that model.
        mean: of each colour, on [0, 1].
        std: of each colour, on [0, 1].

    Source:
        Radford et al., Learning transferable visual models from natural language supervision, ICML 2021, figure 3.

    Example:
        >>> import torch, wasserflow as wf
        >>> clip = wf.zoo.load("cifar10-clip").model
        >>> images, prompts = torch.zeros(2, 3, 32, 32), ["a photo of a dog", "a photo of a cat"]
        >>> (clip(images) @ clip.text_features(prompts).T).shape
        torch.Size([2, 2])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, clip: nn.Module, tokenizer: Any, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD
    ) -> None:
        super().__init__()
        self.clip: Any = clip
        self.tokenizer = tokenizer
        # With the preprocessing's numbers and not with the weights, as CLIP checkpoints have it.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @property
    def image_size(self) -> int:
        """Pixels of a side that the image network reads."""
        return self.clip.config.vision_config.image_size

    @property
    def scale(self) -> Float[Tensor, ""]:
        """The learnt factor of the cosine similarities, which makes them logits."""
        return self.clip.logit_scale.exp()

    def preprocess(self, images: Images) -> Float[Tensor, "batch 3 size size"]:
        """Resize, crop and normalise images on [-1, 1] as the image network reads them.

        Args:
            images: (batch, 3, height, width) on [-1, 1].

        Returns:
            (batch, 3, size, size) of the model's own size.

        Raises:
            TypeError: the images are not floating point.
            ValueError: another shape or range.
        """
        check_images(images)
        if images.shape[1] != 3:
            raise ValueError("the images are grey; CLIP reads colours: give images.expand(-1, 3, -1, -1)")
        size, (height, width) = self.image_size, images.shape[2:]
        if min(height, width) != size:
            rows, columns = (size * side // min(height, width) for side in (height, width))
            # One axis after the other with the overshoot cut off in between, as Pillow does.
            for shape in ((height, columns), (rows, columns)):
                images = interpolate(images, shape, mode="bicubic", antialias=True, align_corners=False).clamp(-1, 1)
        top, left = ((side - size) // 2 for side in images.shape[2:])
        pixels = (images[:, :, top : top + size, left : left + size] + 1) / 2
        return (pixels - self.mean.to(pixels)) / self.std.to(pixels)

    def forward(self, images: Images) -> Float[Tensor, "batch features"]:
        """Encode images (batch, 3, height, width) on [-1, 1] as unit vectors."""
        pooled = self.clip.vision_model(pixel_values=self.preprocess(images)).pooler_output
        return normalize(self.clip.visual_projection(pooled), dim=-1)

    def text_features(self, prompts: Sequence[str]) -> Float[Tensor, "prompts features"]:
        """Encode prompts as unit vectors, differentiable in the weights.

        Args:
            prompts: at least one.

        Returns:
            (prompts, features) unit vectors.

        Raises:
            TypeError: a single string, which is no list of prompts.
            ValueError: no prompts, one that is too long for the model, or words that its tokenizer does not know.
        """
        if isinstance(prompts, str):
            raise TypeError(f"the prompts are the string {prompts!r}; give a list: [{prompts!r}]")
        if not prompts:
            raise ValueError("there are no prompts; give at least one")
        tokens = self.tokenizer(list(prompts), padding=True, return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        self._check_tokens(prompts, ids, mask)
        device = self.clip.logit_scale.device
        pooled = self.clip.text_model(input_ids=ids.to(device), attention_mask=mask.to(device)).pooler_output
        return normalize(self.clip.text_projection(pooled), dim=-1)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model as `transformers` does, so that `load_clip` and `CLIPModel.from_pretrained` read it.

        Args:
            folder: a new folder for the weights (safetensors), the tokenizer and the preprocessing numbers.
        """
        self.clip.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        size = self.image_size
        numbers = {
            "image_processor_type": "CLIPImageProcessor",
            **dict.fromkeys(("do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize"), True),
            "size": {"shortest_edge": size},
            "resample": 3,  # bicubic
            "crop_size": {"height": size, "width": size},
            "rescale_factor": 1 / 255,
            "image_mean": self.mean.flatten().tolist(),
            "image_std": self.std.flatten().tolist(),
        }
        (Path(folder) / PREPROCESSING).write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")

    def _check_tokens(self, prompts: Sequence[str], ids: Tensor, mask: Tensor) -> None:
        longest = self.clip.config.text_config.max_position_embeddings
        unknown, end = getattr(self.tokenizer, "unk_token_id", None), getattr(self.tokenizer, "eos_token_id", None)
        for prompt, own, length in zip(prompts, ids, mask.sum(dim=1).tolist(), strict=True):
            if length > longest:
                raise ValueError(f"the prompt {prompt!r} has {length} tokens; the model reads at most {longest}")
            # Tokenizers of OpenAI's models have no unknown words, and name the end's token in that place.
            if unknown is not None and unknown != end and bool((own == unknown).any()):
                raise ValueError(f"the prompt {prompt!r} has words that the model has never read; use others")
