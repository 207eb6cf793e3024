"""Generators and pairs by name."""

from __future__ import annotations

from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained


def generator_named(name: str) -> Pretrained:
    """Load a model that makes samples of latents.

    Args:
        name: a shipped model, a folder, or a model on the hub.

    Raises:
        ValueError: no such model, or one that has no generator or no prior.
    """
    model = zoo.load(name)
    if model.prior is None or "generator" not in model.networks:
        raise ValueError(f"{name} has no generator of latents; give a model that has one, such as cifar10-sndcgan")
    return model


def pair_named(name: str, data: str | None = None) -> Pretrained:
    """Load a generator and its critic.

    Args:
        name: a shipped model, a folder, or a model on the hub.
        data: what they have to be trained on; None for anything.

    Raises:
        ValueError: no such model, one that lacks a generator, a prior or a critic, or one of other data.
    """
    pair = generator_named(name)
    if "critic" not in pair.networks:
        raise ValueError(f"{name} has no critic; give a pair of generator and critic, such as cifar10-sndcgan")
    if data is not None and pair.card.data != data:
        raise ValueError(f"{name} is a model of {pair.card.data}; give a generator and critic of {data}")
    return pair
