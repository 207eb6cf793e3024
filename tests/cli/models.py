"""Tiny models on disk, so that the command line is tested without the shipped weights."""

from __future__ import annotations

from pathlib import Path

import torch

from wasserflow.models import SmallResNet, SNDCGANCritic, SNDCGANGenerator, mlp_critic, mlp_generator, mlp_ratio
from wasserflow.models.pretrained import Card, Recipe, save_pretrained
from wasserflow.spaces import Normal
from wasserflow.training.fdrl import FlowGuidedRatio


def toy_pair(folder: Path) -> str:
    """An untrained 2-D pair whose card names the 25 Gaussians and data space."""
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 1}
    card = Card(
        "tiny-toy",
        "untrained perceptrons",
        data="25gaussians",
        command="none",
        training="none",
        networks={"generator": Recipe("mlp_generator", sizes), "critic": Recipe("mlp_critic", sizes)},
        prior=Recipe("Normal", {"shape": 2}),
        refine={"space": "data", "step_size": 0.02, "temperature": 0.01, "steps": 3, "divergence": "js"},
    )
    save_pretrained(folder, card, {"generator": mlp_generator(**sizes), "critic": mlp_critic(**sizes)})
    return str(folder)


def image_pair(folder: Path, features: Path, reference: Path) -> str:
    """An untrained SN-DCGAN pair of 8 channels, measured against a file of images."""
    torch.manual_seed(0)
    card = Card(
        "tiny-images",
        "untrained SN-DCGAN",
        data=str(reference),
        command="none",
        training="none",
        networks={
            "generator": Recipe("SNDCGANGenerator", {"channels": 8, "latent_dim": 4}),
            "critic": Recipe("SNDCGANCritic", {"channels": 8}),
        },
        prior=Recipe("Normal", {"shape": 4}),
        refine={"features": str(features), "steps": 2},
    )
    networks = {"generator": SNDCGANGenerator(8, latent_dim=4), "critic": SNDCGANCritic(8)}
    save_pretrained(folder, card, networks)
    return str(folder)


def feature_net(folder: Path, image_channels: int = 3) -> Path:
    """An untrained classifier."""
    torch.manual_seed(0)
    sizes = {"widths": [4, 4, 4, 8], "image_channels": image_channels}
    card = Card("tiny-net", "untrained", "none", "none", "none", {"model": Recipe("SmallResNet", sizes)})
    save_pretrained(folder, card, {"model": SmallResNet(**sizes)})
    return folder


def toy_ratio(folder: Path) -> str:
    """An untrained flow-guided ratio of points, 3 steps of flow."""
    torch.manual_seed(0)
    recipe = Recipe(
        "FlowGuidedRatio",
        {
            "network": Recipe("mlp_ratio", {"width": 8}),
            "source": Recipe("Normal", {"shape": [2]}),
            "flow_steps": 3,
            "step_size": 0.3,
            "ema": 0.0,
        },
    )
    card = Card("tiny-ratio", "untrained", "swissroll", "none", "none", {"model": recipe})
    model = FlowGuidedRatio(mlp_ratio(width=8), Normal([2]), flow_steps=3, step_size=0.3, ema=0.0)
    save_pretrained(folder, card, {"model": model})
    return str(folder)


def grey_classifier(folder: Path, classes: int = 10) -> str:
    """An untrained classifier of grey images."""
    torch.manual_seed(2)
    sizes = {"classes": classes, "widths": [4, 4, 8], "image_channels": 1}
    card = Card("tiny-classifier", "untrained", "mnist", "none", "none", {"model": Recipe("SmallResNet", sizes)})
    save_pretrained(folder, card, {"model": SmallResNet(**sizes).eval()})
    return str(folder)


def critic_of_cifar10(folder: Path) -> str:
    """An untrained SN-DCGAN pair of CIFAR-10, whose critic generators without one borrow."""
    torch.manual_seed(0)
    networks = {
        "generator": Recipe("SNDCGANGenerator", {"channels": 8, "latent_dim": 4}),
        "critic": Recipe("SNDCGANCritic", {"channels": 8}),
    }
    card = Card("pair", "untrained", "cifar10", "none", "none", networks, Recipe("Normal", {"shape": 4}))
    save_pretrained(folder, card, {"generator": SNDCGANGenerator(8, latent_dim=4), "critic": SNDCGANCritic(8)})
    return str(folder)
