"""Read the formats of foreign models."""

from wasserflow.models.adapters.chainer import load_chainer_mlp
from wasserflow.models.adapters.clip import load_clip
from wasserflow.models.adapters.one_step import load_one_step

__all__ = ["load_chainer_mlp", "load_clip", "load_one_step"]
