"""Every command by its name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

# Each is a function of this module.
_ALONE = {
    "zoo": "zoo",
    "demo": "demo",
    "refine": "refine.command",
    "generate": "generate.command",
    "translate": "generate.translate",
    "evaluate": "evaluate",
    "compare": "compare.command",
}


def commands(words: Sequence[str]) -> dict[str, Any]:
    """Give the commands, as jsonargparse makes a parser of them.

    Only what the words name is imported, and all commands where they name none: trainers bring Lightning with them,
    which nobody should wait for who asks for the list of models.

    Args:
        words: the words after the program's name.

    Returns:
        Name -> function, or name -> group.
    """
    train: dict[str, Any] = {"_help": "Train a model, which --model of the other commands then accepts."}
    if "train" in words:
        from wasserflow.cli.train.classifier import train_classifier
        from wasserflow.cli.train.clip import train_clip
        from wasserflow.cli.train.corrector import train_corrector
        from wasserflow.cli.train.critic import train_critic
        from wasserflow.cli.train.fdrl import train_fdrl
        from wasserflow.cli.train.feature_gan import train_mmd_gan, train_ocf_gan
        from wasserflow.cli.train.gan import train_mlp_gan, train_sn_resnet_gan, train_sndcgan
        from wasserflow.cli.train.glow import train_glow
        from wasserflow.cli.train.text_gan import train_text_gan
        from wasserflow.cli.train.vae import train_vae
        from wasserflow.cli.train.vq import train_vq
        from wasserflow.cli.train.wgan_gp import train_wgan_gp

        train |= {
            "wgan-gp": train_wgan_gp,
            "sndcgan": train_sndcgan,
            "sn-resnet-gan": train_sn_resnet_gan,
            "mlp-gan": train_mlp_gan,
            "mmd-gan": train_mmd_gan,
            "ocf-gan": train_ocf_gan,
            "text-gan": train_text_gan,
            "vae": train_vae,
            "glow": train_glow,
            "critic": train_critic,
            "corrector": train_corrector,
            "classifier": train_classifier,
            "clip": train_clip,
            "vq": train_vq,
            "fdrl": train_fdrl,
        }
    reproduce: dict[str, Any] = {"_help": "Print a paper's table beside ours."}
    if "reproduce" in words:
        from wasserflow.cli.reproduce.dgflow import reproduce_dgflow
        from wasserflow.cli.reproduce.fdrl_images import reproduce_fdrl_images
        from wasserflow.cli.reproduce.fdrl_toy import reproduce_fdrl_toy
        from wasserflow.cli.reproduce.gaussians import reproduce_25gaussians
        from wasserflow.cli.reproduce.gmi import reproduce_gmi
        from wasserflow.cli.reproduce.text import reproduce_text
        from wasserflow.cli.reproduce.text_guidance import reproduce_text_guidance
        from wasserflow.cli.reproduce.vq import reproduce_vq

        reproduce |= {
            "25gaussians": reproduce_25gaussians,
            "dgflow": reproduce_dgflow,
            "gmi": reproduce_gmi,
            "fdrl-toy": reproduce_fdrl_toy,
            "fdrl-images": reproduce_fdrl_images,
            "text": reproduce_text,
            "text-guidance": reproduce_text_guidance,
            "vq": reproduce_vq,
        }
    named = next((word for word in words if word in (*_ALONE, "train", "reproduce")), None)
    alone = [name for name in _ALONE if named in (None, name)]
    found = {name: getattr(import_module(f"wasserflow.cli.{_ALONE[name]}"), name) for name in alone}
    groups = {"train": train, "reproduce": reproduce}
    return found | {name: group for name, group in groups.items() if named in (None, name)}
