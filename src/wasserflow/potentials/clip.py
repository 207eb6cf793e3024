"""Guidance by text: how well images agree with prompts, as log-likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.freezing import modules_in
from wasserflow.modes import require_eval


@runtime_checkable
class TextImageEncoder(Protocol):
    """Maps images and prompts to unit vectors of one space; `wf.models.ClipEncoder` is one."""

    @property
    def scale(self) -> Float[Tensor, ""]:
        """What makes logits of cosines."""

    def text_features(self, prompts: Sequence[str]) -> Float[Tensor, "prompts features"]:
        """Encode prompts."""

    def __call__(self, images: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch features"]:
        """Encode images, differentiable in them."""


class ClipSimilarity(nn.Module):
    """The weighted cosine similarity of images with prompts: weight · mean_k ⟨image(x), text(c_k)⟩.

    A log-likelihood, higher is better: `wf.methods.gmi` takes it as `log_likelihood`, and `wf.refine` as the critic,
    since log p(x|c) - log p(x) = log p(c|x) up to a constant. Prompts are encoded once.

    Args:
        encoder: of images and prompts, in eval mode.
        prompts: at least one; several wordings of the same are averaged.
        weight: what a cosine of 1 is worth, in nats; `float(encoder.scale)` is the model's own.

    Raises:
        ValueError: an encoder in train mode, prompts that it refuses, or, when called, images that it refuses.

    Source:
        Zhou et al., Generative-model inference, section on text-guided generation.

    Example:
        >>> import torch, wasserflow as wf
        >>> clip = wf.zoo.load("cifar10-clip").model
        >>> wf.potentials.ClipSimilarity(clip, ["a photo of a dog"])(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2])
    """

    text: Tensor

    def __init__(self, encoder: TextImageEncoder, prompts: Sequence[str], weight: float = 1.0) -> None:
        super().__init__()
        self.encoder, self.weight = encoder, weight
        self.register_buffer("text", _encoded(encoder, prompts).mean(dim=0), persistent=False)
        self.eval()

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the similarity of images."""
        return self.weight * (self.encoder(x) @ self.text)


class ClipLogProbability(nn.Module):
    """log p(c|x) of a prompt among others, the log-softmax of the model's own logits.

    log p(c_0|x) = s ⟨image(x), text(c_0)⟩ - log Σ_k exp(s ⟨image(x), text(c_k)⟩), k over the prompt and its rivals.
    Unlike the similarity alone it says how much better the prompt fits than the others do.

    Args:
        encoder: of images and prompts, in eval mode; its `scale` is s.
        prompt: what is asked for.
        against: its rivals, at least one.

    Raises:
        ValueError: no rivals, the prompt among them, an encoder in train mode, prompts or images that it refuses.

    Source:
        Radford et al., Learning transferable visual models from natural language supervision, ICML 2021, section 3.1.

    Example:
        >>> import torch, wasserflow as wf
        >>> clip = wf.zoo.load("cifar10-clip").model
        >>> dog = wf.potentials.ClipLogProbability(clip, "a photo of a dog", against=["a photo of a cat"])
        >>> bool((dog(torch.zeros(2, 3, 32, 32)) < 0).all())
        True
    """

    text: Tensor
    scale: Tensor

    def __init__(self, encoder: TextImageEncoder, prompt: str, against: Sequence[str]) -> None:
        super().__init__()
        if isinstance(against, str) or not against or prompt in against:
            raise ValueError(
                f"against is {against!r} for the prompt {prompt!r}; give a list of at least one other prompt"
            )
        self.encoder = encoder
        self.register_buffer("text", _encoded(encoder, [prompt, *against]), persistent=False)
        self.register_buffer("scale", encoder.scale.detach().clone(), persistent=False)
        self.eval()

    def log_probabilities(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch prompts"]:
        """Evaluate the log-probabilities of the prompt (column 0) and its rivals in their order."""
        return (self.scale * (self.encoder(x) @ self.text.T)).log_softmax(dim=1)

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
        """Evaluate the log-probability of the prompt."""
        return self.log_probabilities(x)[:, 0]


@torch.no_grad()
def _encoded(encoder: TextImageEncoder, prompts: Sequence[str]) -> Tensor:
    require_eval(modules_in(encoder))
    return encoder.text_features(prompts)
