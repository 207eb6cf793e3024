"""Critics by name."""

from __future__ import annotations

from torch import nn

from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained


def critic_named(pair: Pretrained, name: str | None) -> nn.Module:
    """Find the critic that judges a pair's samples.

    Args:
        pair: the model.
        name: a network of the model's own, or another model, whose critic is taken; None for the model's critic.

    Raises:
        ValueError: neither, or a model without a critic.
    """
    if name is None and "critic" not in pair.networks:
        raise ValueError(
            f"{pair.card.name} has no critic; name another model's with --critic, such as cifar10-sndcgan, or fit one "
            "to its generator with `wasserflow train corrector`"
        )
    if name is None:
        return pair.critic
    if name in pair.networks:
        return pair.networks[name]
    try:
        return zoo.load(name).critic
    except (ValueError, AttributeError) as error:
        own = ", ".join(sorted(set(pair.networks) - {"generator"}))
        raise ValueError(f"critic is {name}, none of the model's own ({own}); {error}") from error
