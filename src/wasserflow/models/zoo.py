"""The models that ship with the library."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from wasserflow.models import hub
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


def folder_of(name: str | Path, revision: str | None = None) -> Path:
    """Find a shipped model by name, a saved one by its folder, or one on the Hugging Face hub.

    Args:
        name: one of `names()`; or a folder that holds a card; or, where no such folder is, `owner/name` on the hub.
        revision: a branch, tag or commit of a model on the hub.

    Returns:
        The folder.

    Raises:
        ValueError: none of these, or the hub cannot be reached; the message lists the shipped names.
    """
    local = SHIPPED / str(name) if str(name) in names() else Path(name)
    if not (local / CARD).is_file():
        if hub.is_hub_name(name):
            return hub.fetch(str(name), revision)
        if local.is_dir():
            raise ValueError(f"{str(name)!r} is a folder without a {CARD}: it is no model; give one that has a card")
        alike = get_close_matches(str(name), names(), n=1)
        meant = f", did you mean {alike[0]!r}?" if alike else ""
        raise ValueError(
            f"no model {str(name)!r}{meant or ';'} shipped are {', '.join(names())}, or give a folder with a {CARD}, "
            "or owner/name of a model on the Hugging Face hub"
        )
    if revision is not None:
        raise ValueError(f"revision is {revision!r}, but {local} is a folder here; revisions are of models on the hub")
    return local


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


def load(name: str | Path, revision: str | None = None) -> Pretrained:
    """Load a model with its networks in eval mode.

    Args:
        name: one of `names()`; or a folder that holds a card; or, where no such folder is, `owner/name` of a model that
            `push_to_hub` wrote to the Hugging Face hub, which is fetched once and kept.
        revision: a branch, tag or commit of a model on the hub; the newest of the main branch if None.

    Returns:
        The model: `.generator`, `.critic` and `.prior` of a pair, `.model` of a single network, and the `.card`.

    Raises:
        ValueError: no such model, a corrupt file, which is named, or a hub that cannot be reached.

    Example:
        >>> import wasserflow as wf
        >>> pair = wf.zoo.load("25gaussians")
        >>> z = pair.prior.sample(4, seed=0)
        >>> wf.refine(pair.critic, pair.generator(z).detach(), integrator=wf.EulerMaruyama(0.01, 0.01)).samples.shape
        torch.Size([4, 2])
    """
    return load_pretrained(folder_of(name, revision))
