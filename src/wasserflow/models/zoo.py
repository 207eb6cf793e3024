"""The models that ship with the library."""

from __future__ import annotations

from pathlib import Path

from wasserflow.models.pretrained import CARD, Card, Pretrained, load_card, load_pretrained
from wasserflow.models.weight_files import SHIPPED


def names() -> list[str]:
    """List the shipped models.

    Example:
        >>> import wasserflow as wf
        >>> "cifar10-sndcgan" in wf.zoo.names()
        True
    """
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}"))


def folder_of(name: str | Path) -> Path:
    """Find a shipped model by name, or a saved one by its folder.

    Args:
        name: one of `names()`, or a folder that holds a card.

    Returns:
        The folder.

    Raises:
        ValueError: neither; the message lists the shipped names.
    """
    if str(name) in names():
        return SHIPPED / str(name)
    if (Path(name) / CARD).is_file():
        return Path(name)
    raise ValueError(f"no model {str(name)!r}; shipped are {', '.join(names())}, or give a folder with a {CARD}")


def card(name: str | Path) -> Card:
    """Read a model's card without its weights.

    Args:
        name: one of `names()`, or a folder that holds a card.

    Raises:
        ValueError: no such model, or an unreadable card.

    Example:
        >>> import wasserflow as wf
        >>> wf.zoo.card("25gaussians").data
        '25gaussians'
    """
    return load_card(folder_of(name))


def load(name: str | Path) -> Pretrained:
    """Load a model with its networks in eval mode.

    Args:
        name: one of `names()`, or a folder that holds a card.

    Returns:
        The model: `.generator`, `.critic` and `.prior` of a pair, `.model` of a single network, and the `.card`.

    Raises:
        ValueError: no such model, or a corrupt file, which is named.

    Example:
        >>> import wasserflow as wf
        >>> pair = wf.zoo.load("25gaussians")
        >>> z = pair.prior.sample(4, seed=0)
        >>> wf.refine(pair.critic, pair.generator(z).detach(), integrator=wf.EulerMaruyama(0.01, 0.01)).samples.shape
        torch.Size([4, 2])
    """
    return load_pretrained(folder_of(name))
