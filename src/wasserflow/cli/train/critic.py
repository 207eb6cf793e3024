"""`wasserflow train critic`: a critic refitted to a generator that stands still."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wasserflow.cli.names.critics import require_judged
from wasserflow.cli.names.images import ImagesName, images_of, mirrored
from wasserflow.cli.names.pairs import generator_named
from wasserflow.cli.train.saving import save_trained, told
from wasserflow.models import zoo
from wasserflow.models.pretrained import Pretrained, Recipe
from wasserflow.models.resnet import SmallResNet
from wasserflow.models.resnet_critic import ResNetCritic
from wasserflow.models.sndcgan import SNDCGANCritic
from wasserflow.training.critic import refit_critic


def train_critic(
    out: Path,
    model: str,
    data: ImagesName = "cifar10",
    critic_channels: int | None = None,
    backbone: str | None = None,
    flips: bool | None = None,
    **settings: Any,
) -> None:
    """Refit a critic to a generator that stands still, and report how good a log-ratio it is.

    Args:
        out: A new folder for the checkpoints and the log; the model is left in its `model`.
        model: The pair, a shipped model or a folder.
        data: The real images: `train` is learnt from, `validation` measures.
        critic_channels: Begin with a new SN-DCGAN critic of this width; with the pair's own critic if left out.
        backbone: Begin with a new critic on the frozen features of this classifier, a shipped model or a folder.
        flips: Mirror half of the real images; for cifar10 only, if left out.
        settings: Of the trainer.
    """
    if critic_channels is not None and backbone is not None:
        raise ValueError(f"critic_channels is {critic_channels} and backbone is {backbone}; give only one of them")
    pair = generator_named(model)
    assert pair.prior is not None
    train, held_out = images_of(data, "train").images, images_of(data, "validation").images
    with torch.no_grad():
        made = pair.generator(pair.prior.sample(2, seed=0))
    shape, wanted = tuple(made.shape[1:]), tuple(train.shape[1:])
    if shape != wanted:
        raise ValueError(f"{model} makes samples of shape {shape}, images of {data} have {wanted}; give its own --data")
    critic, recipe = _first_critic(pair, train, critic_channels, backbone)
    require_judged(critic, made, f"backbone is {backbone}")
    flips = mirrored(data, flips)
    refitted = refit_critic(critic, pair.generator, pair.prior, train, held_out, out, flips=flips, **settings)
    assessment = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
    print(json.dumps(assessment, indent=2))
    save_trained(
        out,
        summary=f"{pair.card.summary}; critic refitted with the generator frozen",
        data=data,
        training=f"pair: {pair.card.command} ({pair.card.training}); then the critic: {told(settings, flips=flips)}",
        networks={"generator": pair.card.networks["generator"], "critic": recipe},
        trained={"generator": pair.generator, "critic": refitted},
        prior=pair.card.prior,
        refine=pair.card.refine,
        metrics={"held-out AUC": round(assessment["after"]["auc"], 4)},
    )


def _first_critic(
    pair: Pretrained, images: Tensor, channels: int | None, backbone: str | None
) -> tuple[nn.Module, Recipe]:
    """What the critic is before it is refitted, and how to build it."""
    if channels is not None:
        sizes: dict[str, Any] = {
            "channels": channels,
            "image_size": images.shape[-1],
            "image_channels": images.shape[1],
        }
        return SNDCGANCritic(**sizes), Recipe("SNDCGANCritic", sizes)
    if backbone is not None:
        critic = ResNetCritic.on(_classifier(backbone))
        return critic, Recipe("ResNetCritic", {"widths": critic.widths, "image_channels": critic.image_channels})
    if "critic" not in pair.networks:
        raise ValueError(f"{pair.card.name} has no critic to begin with; give --critic-channels or --backbone")
    return pair.critic, pair.card.networks["critic"]


def _classifier(name: str) -> SmallResNet:
    model = zoo.load(name).networks.get("model")
    if not isinstance(model, SmallResNet):
        raise ValueError(f"backbone is {name}, which is no SmallResNet; give one, such as cifar10-resnet")
    return model
