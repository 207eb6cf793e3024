"""A consistency model as a generator: its noise is the latent, and one call of its network makes the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class OneStepGenerator(nn.Module):
    """Turns noise (batch, channels, height, width) of unit variance into images on [-1, 1], by one call of a network.

        x = clamp(c_skip z' + c_out network(z' / sqrt(σ² + σ_data²), t)),    z' = σ z,    σ the largest of the schedule,

    which is what `ConsistencyModelPipeline` does with `num_inference_steps=1`, differentiable. Where a pixel is clamped
    it has no gradient.

    Args:
        pipeline: a `diffusers.ConsistencyModelPipeline`; its network is used as it is, its scheduler is left alone.
        class_label: the class of a class-conditional pipeline; None where labels come with each call.

    Raises:
        TypeError: an object of another kind, or one with another scheduler.
        ValueError: a label for a pipeline that has no classes, or one that is not among them.

    Source: Song et al. 2023 (arXiv 2303.01469), eq. 5 and appendix C.

    Example:
        >>> from diffusers import CMStochasticIterativeScheduler, ConsistencyModelPipeline, UNet2DModel
        >>> import wasserflow as wf
        >>> blocks = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "block_out_channels": [8]}
        >>> unet = UNet2DModel(sample_size=8, layers_per_block=1, norm_num_groups=4, add_attention=False, **blocks)
        >>> generator = wf.models.OneStepGenerator(ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler()))
        >>> generator(wf.spaces.Normal(generator.latent_shape).sample(2)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(self, pipeline: Any, class_label: int | None = None) -> None:
        super().__init__()
        scheduler: Any = getattr(pipeline, "scheduler", None)
        if type(scheduler).__name__ != "CMStochasticIterativeScheduler" or not hasattr(pipeline, "unet"):
            raise TypeError(
                f"{type(pipeline).__name__} with {type(scheduler).__name__} makes no images in one step; give a "
                "diffusers.ConsistencyModelPipeline with a CMStochasticIterativeScheduler"
            )
        self.network = pipeline.unet
        self.training = self.network.training
        # A copy: choosing steps changes a scheduler.
        self.scheduler = type(scheduler).from_config(scheduler.config)
        self.scheduler.set_timesteps(1)
        sigma = self.scheduler.sigmas[0]
        self.sigma, self.timestep = float(sigma), float(self.scheduler.timesteps[0])
        self.skip, self.out = map(float, self.scheduler.get_scalings_for_boundary_condition(sigma))
        self.classes: int | None = self.network.config.num_class_embeds
        self.class_label = class_label
        if class_label is not None and not 0 <= class_label < (self.classes or 0):
            known = "has no classes" if self.classes is None else f"knows the classes 0 to {self.classes - 1}"
            raise ValueError(f"class_label is {class_label}, but the pipeline {known}")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """One latent's shape, (channels, height, width): the prior is `wf.spaces.Normal(generator.latent_shape)`."""
        size = self.network.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return self.network.config.in_channels, height, width

    def forward(
        self, z: Float[Tensor, "batch channels height width"], labels: Int64[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """Return the images of this noise, on [-1, 1].

        Args:
            z: (batch, channels, height, width), standard normal.
            labels: (batch,) classes; None for the `class_label` it was made with.

        Raises:
            ValueError: a class-conditional pipeline without a label.
        """
        if labels is None and self.classes is not None:
            if self.class_label is None:
                raise ValueError(
                    "the pipeline is class-conditional; give class_label, or wf.models.bind_label(generator, labels)"
                )
            labels = torch.full((len(z),), self.class_label, device=z.device)
        noise = self.sigma * z
        scaled = noise / (self.sigma**2 + self.scheduler.config.sigma_data**2) ** 0.5
        timestep = torch.tensor(self.timestep, device=z.device)
        output = self.network(scaled, timestep, class_labels=labels, return_dict=False)[0]
        return (self.out * output + self.skip * noise).clamp(-1, 1)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the pipeline as `diffusers` does, so that `load_one_step` and `diffusers` read it.

        Args:
            folder: a new folder for the network (safetensors) and the scheduler.
        """
        from diffusers import ConsistencyModelPipeline

        pipeline: Any = ConsistencyModelPipeline(self.network, self.scheduler)
        pipeline.save_pretrained(folder)
