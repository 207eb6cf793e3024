"""What the two players of a GAN minimise, as functions of the critic's logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

RealLogits = Float[Tensor, " real"]
FakeLogits = Float[Tensor, " fake"]
Loss = Float[Tensor, ""]


@dataclass(frozen=True)
class AdversarialLoss:
    """The pair of losses of a GAN.

    Args:
        critic: (logits of real samples, logits of generated samples) -> what the critic minimises.
        generator: logits of generated samples -> what the generator minimises.
    """

    critic: Callable[[RealLogits, FakeLogits], Loss]
    generator: Callable[[FakeLogits], Loss]


def logistic_critic(real: RealLogits, fake: FakeLogits) -> Loss:
    """Return mean(softplus(-real)) + mean(softplus(fake)); at its minimum the logit is log p_data - log p_model.

    Args:
        real: logits of real samples.
        fake: logits of generated samples.

    Source:
        Goodfellow et al., Generative adversarial nets, 2014, eq. 1, in logits.
    """
    return softplus(-real).mean() + softplus(fake).mean()


def non_saturating_generator(fake: FakeLogits) -> Loss:
    """Return mean(softplus(-fake)), which keeps its slope where the critic is sure.

    Args:
        fake: logits of generated samples.

    Source:
        Goodfellow et al., Generative adversarial nets, 2014, section 3.
    """
    return softplus(-fake).mean()


def hinge_critic(real: RealLogits, fake: FakeLogits) -> Loss:
    """Return mean(max(0, 1 - real)) + mean(max(0, 1 + fake)).

    Args:
        real: logits of real samples.
        fake: logits of generated samples.

    Source:
        Lim and Ye, Geometric GAN, 2017; Miyato et al., ICLR 2018, eq. 16.
    """
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: FakeLogits) -> Loss:
    """Return -mean(fake).

    Args:
        fake: logits of generated samples.

    Source:
        Miyato et al., ICLR 2018, eq. 17.
    """
    return -fake.mean()


def wasserstein_critic(real: RealLogits, fake: FakeLogits) -> Loss:
    """Return mean(fake) - mean(real), minus the distance that a critic of slope one measures.

    Args:
        real: scores of real samples.
        fake: scores of generated samples.

    Source:
        Arjovsky et al., Wasserstein generative adversarial networks, ICML 2017, eq. 3.
    """
    return fake.mean() - real.mean()


NON_SATURATING = AdversarialLoss(logistic_critic, non_saturating_generator)
HINGE = AdversarialLoss(hinge_critic, hinge_generator)
# The generator lowers -mean(fake) here too.
WASSERSTEIN = AdversarialLoss(wasserstein_critic, hinge_generator)
