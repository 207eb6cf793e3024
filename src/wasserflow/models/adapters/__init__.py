"""Read the formats of foreign models."""

from wasserflow.models.adapters.chainer import load_chainer_mlp
from wasserflow.models.adapters.chainer_projection import (
    load_chainer_projection_critic,
    load_chainer_projection_generator,
)
from wasserflow.models.adapters.chainer_sndcgan import (
    load_chainer_sndcgan_critic,
    load_chainer_sndcgan_generator,
    load_chainer_wgan_critic,
)
from wasserflow.models.adapters.chainer_snresnet import load_chainer_snresnet_critic, load_chainer_snresnet_generator
from wasserflow.models.adapters.clip import load_clip
from wasserflow.models.adapters.one_step import load_one_step

__all__ = [
    "load_chainer_mlp",
    "load_chainer_projection_critic",
    "load_chainer_projection_generator",
    "load_chainer_sndcgan_critic",
    "load_chainer_sndcgan_generator",
    "load_chainer_snresnet_critic",
    "load_chainer_snresnet_generator",
    "load_chainer_wgan_critic",
    "load_clip",
    "load_one_step",
]
