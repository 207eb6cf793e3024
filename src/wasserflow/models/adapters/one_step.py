"""Read consistency models of `diffusers`, from the Hugging Face hub or a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wasserflow.models.one_step import OneStepGenerator


def load_one_step(source: str | Path | Any, class_label: int | None = None) -> OneStepGenerator:
    """Load a consistency model as a generator of one step, whose latent is the noise.

    Weights are read from safetensors only.

    Args:
        source: a name on the hub, such as `openai/diffusers-cd_imagenet64_l2`; or a folder that `save_pretrained`
            wrote; or a `ConsistencyModelPipeline` in memory, whose network is then used as it is.
        class_label: the class of a class-conditional pipeline; None where labels come with each call, as from
            `wf.models.bind_label(generator, labels)`.

    Returns:
        A module from noise (batch, channels, height, width) of unit variance to images on [-1, 1]; read from a name or
        folder it is in eval mode and on the CPU. Its prior is `wf.spaces.Normal(generator.latent_shape)`.

    Raises:
        ImportError: `diffusers` is not installed.
        TypeError: a pipeline of another kind.
        ValueError: no such pipeline, one of another kind or without safetensors, or a label that it does not know.

    Source: Song et al. 2023 (arXiv 2303.01469).

    Example:
        >>> import tempfile, wasserflow as wf
        >>> from diffusers import CMStochasticIterativeScheduler, ConsistencyModelPipeline, UNet2DModel
        >>> from wasserflow.models.adapters import load_one_step
        >>> blocks = {"down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"], "block_out_channels": [8]}
        >>> unet = UNet2DModel(sample_size=8, layers_per_block=1, norm_num_groups=4, add_attention=False, **blocks)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ConsistencyModelPipeline(unet, CMStochasticIterativeScheduler()).save_pretrained(folder)
        ...     generator = load_one_step(folder)
        >>> z = wf.spaces.Normal(generator.latent_shape).sample(2, seed=0)
        >>> wf.refine(lambda x: x.mean(dim=(1, 2, 3)), z, generator, steps=2).samples.shape
        torch.Size([2, 3, 8, 8])
    """
    try:
        from diffusers import ConsistencyModelPipeline
    except ImportError as error:
        raise ImportError("consistency models need diffusers; install wasserflow[diffusers]") from error
    if not isinstance(source, (str, Path)):
        return OneStepGenerator(source, class_label)
    kind = _read(ConsistencyModelPipeline.load_config, source).get("_class_name")
    if kind != ConsistencyModelPipeline.__name__:
        raise ValueError(f"{source} is a {kind}; give a ConsistencyModelPipeline, which makes images in one step")
    # The other way of reading needs a further library.
    options = {"use_safetensors": True, "low_cpu_mem_usage": False}
    return OneStepGenerator(_read(ConsistencyModelPipeline.from_pretrained, source, **options), class_label)


def _read(reader: Any, source: str | Path, **options: Any) -> Any:
    try:
        return reader(str(source), **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{source} is neither a folder nor a name on the hub with a pipeline in safetensors: {reason}"
        ) from error
