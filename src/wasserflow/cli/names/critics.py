"""Critics by name."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained


def critic_named(pair: Pretrained, name: str | None) -> nn.Module:
    """Find the critic that judges a pair's samples.

    Args:
        pair: the model.
        name: a network of the model's own, or another model, whose critic is taken; None for the model's critic.

    Raises:
        ValueError: neither, a model without a critic, or a critic of other samples.
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
        critic = zoo.load(name).critic
    except (ValueError, AttributeError) as error:
        own = ", ".join(sorted(set(pair.networks) - {"generator"}))
        raise ValueError(f"critic is {name}, none of the model's own ({own}); {error}") from error
    if pair.prior is not None:
        with torch.no_grad():
            require_judged(critic, pair.generator(pair.prior.sample(2, seed=0)), f"critic is {name}")
    return critic


def require_judged(critic: nn.Module, samples: Float[Tensor, "batch *event"], said: str) -> None:
    """Refuse samples that a critic was not made for, before they are needed.

    Args:
        critic: the log-ratio.
        samples: a few.
        said: the option that named the critic or the samples, for the refusal.

    Raises:
        ValueError: the critic fails on them.
    """
    try:
        with torch.no_grad():
            critic(samples)
    except (RuntimeError, ValueError, TypeError) as error:
        shape = tuple(samples.shape[1:])
        raise ValueError(f"{said}, but the critic takes no samples of shape {shape}: {error}") from error
