"""A critic that judges images by what a classifier has learnt to see."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from wasserflow.models.resnet import SmallResNet


class ResNetCritic(nn.Module):
    """A perceptron on the features of a frozen residual classifier.

    critic(x) = head(φ(x)), with φ the classifier's pooled last layer. Only the head learns, so the critic cannot
    separate real from generated images by traces that no class depends on, and its gradient moves what the classifier
    sees. Where the classifier was trained robustly, so that its own gradients look like the classes, this one's do too.

    Args:
        widths: of the `SmallResNet`.
        hidden: units of the head's hidden layer.
        image_channels: 3 for colour, 1 for grey.

    Source:
        Sauer et al., Projected GANs converge faster, NeurIPS 2021 (critics on frozen features); Santurkar et al.,
        Image synthesis with a single (robust) classifier, NeurIPS 2019 (why the classifier should be robust).

    Example:
        >>> import torch
        >>> from wasserflow.models import ResNetCritic, SmallResNet
        >>> critic = ResNetCritic.on(SmallResNet(widths=(8, 16)))
        >>> critic(torch.zeros(2, 3, 32, 32)).shape, critic.features(torch.zeros(2, 3, 32, 32)).shape
        (torch.Size([2]), torch.Size([2, 16]))
    """

    def __init__(
        self, widths: Sequence[int] = (32, 64, 128, 192), *, hidden: int = 128, image_channels: int = 3
    ) -> None:
        super().__init__()
        self.widths, self.image_channels = tuple(widths), image_channels
        self.trunk = SmallResNet(widths=widths, image_channels=image_channels).trunk.requires_grad_(False).eval()
        self.head = nn.Sequential(nn.Linear(widths[-1], hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1))

    @classmethod
    def on(cls, classifier: SmallResNet, hidden: int = 128) -> ResNetCritic:
        """Build a critic with an untrained head on a copy of a classifier's layers.

        Args:
            classifier: trained; left as it is.
            hidden: units of the head's hidden layer.
        """
        critic = cls(classifier.widths, hidden=hidden, image_channels=classifier.image_channels)
        critic.trunk.load_state_dict(classifier.trunk.state_dict())
        return critic

    def train(self, mode: bool = True) -> ResNetCritic:
        """Put the head in a mode; the trunk stays as it was trained."""
        super().train(mode)
        self.trunk.eval()
        return self

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch features"]:
        """Return the classifier's features of these images."""
        return self.trunk(x)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, " batch"]:
        """Return the logits of these images, higher for more real."""
        return self.head(self.features(x)).squeeze(1)
