"""Read the formats of foreign models."""

from wasserflow.models.adapters.chainer import load_chainer_mlp
from wasserflow.models.adapters.clip import load_clip

__all__ = ["load_chainer_mlp", "load_clip"]
