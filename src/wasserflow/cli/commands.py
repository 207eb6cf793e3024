"""Every command by its name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

# Name -> module of this package, and the function in it.
_ALONE = {
    "zoo": "zoo:zoo",
    "demo": "demo:demo",
    "refine": "refine.command:refine",
    "generate": "generate.command:generate",
    "translate": "generate.translate:translate",
    "evaluate": "evaluate:evaluate",
    "compare": "compare.command:compare",
}
_GROUPS = {
    "train": {
        "wgan-gp": "train.wgan_gp:train_wgan_gp",
        "sndcgan": "train.gan:train_sndcgan",
        "sn-resnet-gan": "train.gan:train_sn_resnet_gan",
        "mlp-gan": "train.gan:train_mlp_gan",
        "mmd-gan": "train.feature_gan:train_mmd_gan",
        "ocf-gan": "train.feature_gan:train_ocf_gan",
        "text-gan": "train.text_gan:train_text_gan",
        "vae": "train.vae:train_vae",
        "glow": "train.glow:train_glow",
        "critic": "train.critic:train_critic",
        "corrector": "train.corrector:train_corrector",
        "distil": "train.distil:train_distil",
        "classifier": "train.classifier:train_classifier",
        "clip": "train.clip:train_clip",
        "vq": "train.vq:train_vq",
        "fdrl": "train.fdrl:train_fdrl",
    },
    "reproduce": {
        "25gaussians": "reproduce.gaussians:reproduce_25gaussians",
        "dgflow": "reproduce.dgflow:reproduce_dgflow",
        "gmi": "reproduce.gmi:reproduce_gmi",
        "fdrl-toy": "reproduce.fdrl_toy:reproduce_fdrl_toy",
        "fdrl-images": "reproduce.fdrl_images:reproduce_fdrl_images",
        "text": "reproduce.text:reproduce_text",
        "text-guidance": "reproduce.text_guidance:reproduce_text_guidance",
        "vq": "reproduce.vq:reproduce_vq",
    },
}
_HELP = {
    "train": "Train a model, which --model of the other commands then accepts.",
    "reproduce": "Print a paper's table beside ours.",
}


def commands(words: Sequence[str]) -> dict[str, Any]:
    """Give the commands, as jsonargparse makes a parser of them.

    Only what the words name is imported: one command where they begin with it, all of a group where they name it
    otherwise, and where they name none all commands but those of groups. Trainers bring Lightning with them, which
    nobody should wait for who asks for the list of models.

    Args:
        words: the words after the program's name.

    Returns:
        Name -> function, or name -> group.
    """
    named = next((word for word in words if word in (*_ALONE, *_GROUPS)), None)
    if named in _ALONE:
        return {named: _imported(_ALONE[named])}
    if named in _GROUPS:
        return {named: {"_help": _HELP[named], **_functions(_GROUPS[named], _asked(named, words))}}
    return {**_functions(_ALONE, _ALONE), **{name: {"_help": text} for name, text in _HELP.items()}}


def _asked(group: str, words: Sequence[str]) -> Iterable[str]:
    """Which commands of a group are asked for."""
    # After an option, such as --config, the parser may need any of them.
    begun = [name for name in _GROUPS[group] if list(words[:2]) == [group, name]]
    return begun or _GROUPS[group]


def _functions(table: dict[str, str], names: Iterable[str]) -> dict[str, Any]:
    return {name: _imported(table[name]) for name in names}


def _imported(place: str) -> Any:
    module, function = place.split(":")
    return getattr(import_module(f"wasserflow.cli.{module}"), function)
