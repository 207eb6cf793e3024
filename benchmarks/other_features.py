"""Does a gain hold in the eyes of nets that had no part in it? Fréchet distances before and after in several features.

python -m benchmarks.other_features --samples runs/ten/samples.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from wasserflow.data.images import cifar10, to_float
from wasserflow.metrics import FeatureMoments, extract_features, frechet_distance
from wasserflow.models import ClipEncoder, SmallResNet, SNDCGANCritic, zoo
from wasserflow.reports import format_table

BATCH = 100


class Seen(nn.Module):
    """What a network sees of images, as a module of its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, features)."""
        match self.network:
            case ClipEncoder():
                return self.network(images)
            case SmallResNet():
                return self.network.features(images)
            case SNDCGANCritic():  # 4,096 features are too many for the covariance of some thousand images
                return self.network.features(images).unflatten(1, (-1, 16)).mean(2)
            case _:
                return self.network.encode(images).latents.flatten(1)


def untrained(train: Tensor) -> SmallResNet:
    """Draw a network at random; only its batch norms have seen images."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = SmallResNet()
        network(to_float(train[:500]))
    return network


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.other_features", description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="samples.npz of `wasserflow refine`")
    parser.add_argument("--n", type=int, default=3_000, help="samples, and test images, the first of each")
    options = parser.parse_args()
    nets = {
        "cifar10-resnet (classifier)": zoo.load("cifar10-resnet").model,
        "cifar10-clip (captions)": zoo.load("cifar10-clip").model,
        "sndcgan_critic, pooled (no labels)": zoo.load("cifar10-sndcgan").networks["sndcgan_critic"],
        "cifar10-vq latents (no labels)": zoo.load("cifar10-vq").model,
        "untrained SmallResNet (no labels)": untrained(cifar10("train").images),
    }
    samples, test = np.load(options.samples), cifar10("test").images[: options.n]
    clouds = {name: torch.from_numpy(samples[name][: options.n]).permute(0, 3, 1, 2) for name in ("before", "after")}
    rows = []
    for name, network in nets.items():
        seen = Seen(network)
        reference, before, after = (
            FeatureMoments.of(extract_features(seen, map(to_float, images.contiguous().split(BATCH))))
            for images in (test, *clouds.values())
        )
        distances = [frechet_distance(moments, reference) for moments in (before, after)]
        rows.append([name, *(f"{d:.4g}" for d in distances), f"{100 * (distances[1] / distances[0] - 1):+.1f} %"])
    print(format_table(["Fréchet distance in features of", "before", "after", "change"], rows))
    spread = [f"{float(to_float(x.contiguous()).std()):.3f}" for x in (test, *clouds.values())]
    print("standard deviation of pixels: test images {}, before {}, after {}".format(*spread))


if __name__ == "__main__":
    main()
