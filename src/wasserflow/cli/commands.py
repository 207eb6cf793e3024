"""Every command by its name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

# Each is a function of a module of its name.
_ALONE = ("zoo", "demo", "refine", "generate", "translate", "evaluate", "compare")


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
        from wasserflow.cli.train import train_classifier, train_clip, train_vq
        from wasserflow.cli.train_corrector import train_corrector
        from wasserflow.cli.train_fdrl import train_fdrl
        from wasserflow.cli.train_feature_gan import train_mmd_gan, train_ocf_gan
        from wasserflow.cli.train_gan import train_critic, train_mlp_gan, train_sn_resnet_gan, train_sndcgan
        from wasserflow.cli.train_glow import train_glow
        from wasserflow.cli.train_text import train_text_gan
        from wasserflow.cli.train_vae import train_vae
        from wasserflow.cli.train_wgan_gp import train_wgan_gp

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
        from wasserflow.cli.reproduce import reproduce_25gaussians
        from wasserflow.cli.reproduce_dgflow import reproduce_dgflow
        from wasserflow.cli.reproduce_fdrl import reproduce_fdrl_toy
        from wasserflow.cli.reproduce_fdrl_images import reproduce_fdrl_images
        from wasserflow.cli.reproduce_gmi import reproduce_gmi
        from wasserflow.cli.reproduce_text import reproduce_text_guidance
        from wasserflow.cli.reproduce_text_gan import reproduce_text
        from wasserflow.cli.reproduce_vq import reproduce_vq

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
    found = {name: getattr(import_module(f"wasserflow.cli.{name}"), name) for name in alone}
    groups = {"train": train, "reproduce": reproduce}
    return found | {name: group for name, group in groups.items() if named in (None, name)}
