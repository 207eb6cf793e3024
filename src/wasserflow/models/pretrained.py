"""Networks on disk: one folder a model, safetensors weights and a card that says how to build them and where from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import nn

import wasserflow
from wasserflow import models, ratios, spaces
from wasserflow.models import adapters
from wasserflow.models.weight_files import read_weights, write_weights
from wasserflow.spaces import PriorSpace

CARD = "card.json"
# Networks of other rooms; the first is of one above this, so it is looked up when a card asks for it.
_OTHER_ROOMS = {"FlowGuidedRatio": wasserflow, "Calibrated": ratios, "Telescoped": ratios}


@dataclass(frozen=True)
class Recipe:
    """How to build something: the name of a public callable and its arguments.

    Args:
        make: a name of `wasserflow.models` (networks) or `wasserflow.spaces` (priors); a name of
            `wasserflow.models.adapters` reads the network from a folder of the library that it comes from;
            `FlowGuidedRatio`, `Calibrated` and `Telescoped` are themselves.
        arguments: plain JSON values, and recipes of parts, by names of `wasserflow`, its models, spaces or ratios.
    """

    make: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """What a person should know of a model before using it.

    Args:
        name: its name.
        summary: one sentence.
        data: what it was trained on, e.g. `cifar10`.
        command: the command that trained it.
        training: settings, time and hardware, in words.
        networks: how to build each network, by the name of its weight file.
        prior: how to build the prior of the latents; None for models without latents.
        refine: the options that `wasserflow refine` uses unless told otherwise, chosen on validation data.
        translation: `source_class` and `target_class` of a model that translates one to the other.
        alphabet: the characters of a model of text, in the order of their probabilities; empty for others.
        metrics: measured numbers, each with what it was measured on.
        limits: what it is not good for.
        borrowed: parts whose weights are those of a shipped model, so that the file does without them; e.g.
            `{"critic/trunk": "cifar10-robust/model/trunk"}`, which reads: network/part, model/network/part.
            Without a part, all of the network.
    """

    name: str
    summary: str
    data: str
    command: str
    training: str
    networks: Mapping[str, Recipe]
    prior: Recipe | None = None
    refine: Mapping[str, Any] = field(default_factory=dict)
    translation: Mapping[str, int] = field(default_factory=dict)
    alphabet: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    limits: str = ""
    borrowed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A model from disk, in eval mode.

    Args:
        card: what it is.
        folder: where it came from.
        networks: its networks by name.
        prior: where latents come from; None for models without latents.
    """

    card: Card
    folder: Path
    networks: Mapping[str, nn.Module]
    prior: PriorSpace | None = None

    @property
    def generator(self) -> nn.Module:
        """The network that maps latents to samples."""
        return self._network("generator")

    @property
    def critic(self) -> nn.Module:
        """The network that estimates log p_data - log p_model."""
        return self._network("critic")

    @property
    def model(self) -> nn.Module:
        """The network of a model that is only one, such as a classifier."""
        return self._network("model")

    def push_to_hub(
        self, name: str, *, private: bool | None = None, token: str | None = None, message: str | None = None
    ) -> str:
        """Write the model, as its networks are now, to the Hugging Face hub; `wf.zoo.load(name)` reads it there.

        Args:
            name: `owner/name`.
            private: whether a new repository is private; the account's own setting if None.
            token: of an account that may write there; the one of `hf auth login` if None.
            message: of the commit.

        Returns:
            The address of the commit.
        """
        from wasserflow.models import hub

        return hub.push(self, name, private=private, token=token, message=message)

    def _network(self, name: str) -> nn.Module:
        if name not in self.networks:
            raise AttributeError(f"{self.card.name!r} has no {name}; it has {', '.join(sorted(self.networks))}")
        return self.networks[name]


def save_pretrained(folder: str | Path, card: Card, networks: Mapping[str, nn.Module], *, half: bool = False) -> None:
    """Write a model to a folder of its own: `card.json` and one safetensors file a network.

    A network whose recipe is an adapter writes itself, by its own `save_pretrained`, to a folder of its name.

    Args:
        folder: written whole or not at all; it must not exist.
        card: what the model is; its recipes name the same networks.
        networks: the networks by name.
        half: write weights as float16, half the size; they are read as float32 again.

    Raises:
        FileExistsError: the folder exists.
        ValueError: the card's recipes and the networks differ in name, a recipe builds another network, or what is
            borrowed is not the same.
        TypeError: the card holds something that JSON cannot, such as a function.

    Example:
        >>> import tempfile, pathlib, wasserflow as wf
        >>> from wasserflow.models.pretrained import Card, Recipe, load_pretrained, save_pretrained
        >>> recipe = Recipe("mlp_critic", {"width": 8})
        >>> card = Card("tiny", "A tiny critic.", "none", "none", "untrained", {"critic": recipe})
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "tiny"
        >>> save_pretrained(folder, card, {"critic": wf.models.mlp_critic(width=8)})
        >>> load_pretrained(folder).critic.training
        False
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; choose another folder")
    if set(card.networks) != set(networks):
        raise ValueError(f"the card describes {sorted(card.networks)} but the networks are {sorted(networks)}")
    text = _in_json(card)
    for name, network in networks.items():
        _require_rebuilt(name, network, Recipe(**json.loads(text)["networks"][name]))
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, network in networks.items():
        if card.networks[name].make in adapters.__all__:
            network.save_pretrained(unfinished / name)  # type: ignore[operator]
            continue
        write_weights(unfinished / f"{name}.safetensors", network, card.borrowed, half=half)
    (unfinished / CARD).write_text(text, encoding="utf-8")
    unfinished.rename(folder)


def _in_json(card: Card) -> str:
    try:
        return json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n"
    except TypeError as error:
        raise TypeError(
            f"the card of {card.name!r} holds what JSON cannot ({error}); give numbers, texts, lists and dictionaries"
        ) from error


def _require_rebuilt(name: str, network: nn.Module, recipe: Recipe) -> None:
    """Refuse a network that would come back as another function of the same weights, e.g. with ReLU for leaky ReLU."""
    if recipe.make in adapters.__all__:
        return
    with _undisturbed():
        built = _build(_OTHER_ROOMS.get(recipe.make, models), recipe, Path(CARD))
    (parts, shapes), (own_parts, own_shapes) = _described(built), _described(network)
    for made, given in chain(zip_longest(parts, own_parts), zip_longest(shapes, own_shapes)):
        if made != given:
            raise ValueError(
                f"the recipe of {name!r}, {recipe.make} with {dict(recipe.arguments)}, builds another network than the "
                f"one to save: `{made or 'nothing'}` in place of `{given or 'nothing'}`; change its arguments, or "
                "copy the weights into a network of the library by load_state_dict"
            )


def _described(network: nn.Module) -> tuple[list[str], list[str]]:
    """Its parts and the shapes of its weights, in words."""
    parts = [f"{name}: {type(part).__name__}({part.extra_repr()})" for name, part in network.named_modules()]
    return parts, [f"{key}: {tuple(value.shape)}" for key, value in network.state_dict().items()]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Build networks that flows can use, wherever this is called, and leave torch's random stream as it is."""
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        yield


def load_card(folder: str | Path) -> Card:
    """Read what a model is, without its weights.

    Args:
        folder: written by `save_pretrained`.

    Returns:
        The card.

    Raises:
        ValueError: the card is missing or not what `save_pretrained` writes; the message names the file.
    """
    path = Path(folder) / CARD
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or not isinstance(raw.get("networks"), dict):
            raise TypeError("it has no networks")
        raw["networks"] = {name: Recipe(**recipe) for name, recipe in raw["networks"].items()}
        raw["prior"] = Recipe(**raw["prior"]) if raw.get("prior") else None
        return Card(**raw)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the card of a model ({error}); it needs the fields of Card") from error


def load_pretrained(folder: str | Path) -> Pretrained:
    """Build a model's networks and read their weights.

    Args:
        folder: written by `save_pretrained`.

    Returns:
        The model, in eval mode, on the CPU.

    Raises:
        ValueError: a file is missing, truncated, or does not fit the card; the message names it.
        ImportError: a network needs an extra that is not installed; the message names it.
    """
    folder = Path(folder)
    card = load_card(folder)
    with _undisturbed():
        networks = {name: _network(folder, name, card) for name in card.networks}
        prior = None if card.prior is None else _build(spaces, card.prior, folder / CARD)
    return Pretrained(card, folder, networks, prior)


def _network(folder: Path, name: str, card: Card) -> nn.Module:
    recipe = card.networks[name]
    if recipe.make in adapters.__all__:
        read: Callable[..., nn.Module] = getattr(adapters, recipe.make)
        return read(folder / name, **recipe.arguments)
    network: nn.Module = _build(_OTHER_ROOMS.get(recipe.make, models), recipe, folder / CARD)
    path = folder / f"{name}.safetensors"
    weights = read_weights(path, card.borrowed)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} does not hold the weights of a {recipe.make}: {error}") from error
    return network.eval()


def _build(room: Any, recipe: Recipe, source: Path) -> Any:
    if recipe.make not in room.__all__:
        raise ValueError(f"{source} asks for {recipe.make!r}; {room.__name__} has {', '.join(room.__all__)}")
    arguments = {name: _part(value, source) for name, value in recipe.arguments.items()}
    try:
        return getattr(room, recipe.make)(**arguments)
    except TypeError as error:
        raise ValueError(f"{source} builds {recipe.make} with {dict(recipe.arguments)}: {error}") from error


def _part(value: Any, source: Path) -> Any:
    """An argument as it is, or what a recipe among the arguments makes."""
    if not (isinstance(value, Mapping) and set(value) == {"make", "arguments"}):
        return value
    recipe = Recipe(**value)
    rooms = [room for room in (models, spaces, ratios) if recipe.make in room.__all__]
    return _build(rooms[0] if rooms else wasserflow, recipe, source)
