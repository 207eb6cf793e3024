"""Models on the Hugging Face hub: a repository holds what a folder of `save_pretrained` holds, and a README."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wasserflow.models.pretrained import CARD, Card, save_pretrained

if TYPE_CHECKING:
    from wasserflow.models.pretrained import Pretrained

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# Cards, weights, and what tokenizers and pipelines keep beside them: nothing that could be run.
_FILES = ["*.json", "*.safetensors", "*.txt", "*.md"]


def is_hub_name(name: object) -> bool:
    """Tell whether something reads as `owner/name`, and no file or folder here is called so.

    Example:
        >>> from wasserflow.models.hub import is_hub_name
        >>> is_hub_name("me/my-gan"), is_hub_name("./me/my-gan"), is_hub_name("my-gan")
        (True, False, False)
    """
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and not Path(name).exists()


def fetch(name: str, revision: str | None = None) -> Path:
    """Fetch a model from the hub, or find it among those fetched before.

    Args:
        name: `owner/name`.
        revision: a branch, tag or commit; the newest of the main branch if None.

    Returns:
        The folder that it is in now, in the hub's own cache.

    Raises:
        ValueError: there is no such model, it is no model of this library, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, library_name="wasserflow"))
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"{name!r} is neither a folder here nor a model on the hub; if it is private, log in with `hf auth login`"
        ) from error
    except (OSError, ValueError) as error:
        at = "" if revision is None else f" at revision {revision!r}"
        raise ValueError(
            f"{name!r} is no folder here, and could not be fetched from the hub{at} ({' '.join(str(error).split())}); "
            "look at the name and the network, or give a folder"
        ) from error
    if not (folder / CARD).is_file():
        raise ValueError(f"{name!r} on the hub has no {CARD}: it is no model of wasserflow; see docs/your-model.md")
    return folder


def push(
    model: Pretrained, name: str, *, private: bool | None = None, token: str | None = None, message: str | None = None
) -> str:
    """Write a model, as its networks are now, to a repository of the hub, which is made where there is none.

    The repository stands alone: it holds all weights, also what the card says is borrowed from shipped models, the
    moments of reference sets that lie in the model's folder, and a README.

    Args:
        model: what to write.
        name: `owner/name`.
        private: whether a new repository is private; the account's own setting if None.
        token: of an account that may write there; the one of `hf auth login` if None.
        message: of the commit.

    Returns:
        The address of the commit.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="wasserflow")
    card = replace(model.card, borrowed={})
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        save_pretrained(folder, card, model.networks)
        for moments in model.folder.glob("reference-*.safetensors"):
            shutil.copy(moments, folder)
        (folder / "README.md").write_text(readme(card, name), encoding="utf-8")
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=folder, commit_message=message or f"Add {card.name}"))


def readme(card: Card, name: str) -> str:
    """Write the page that the hub shows: the card in words, and how to load the model.

    Args:
        card: what the model is.
        name: `owner/name`.

    Example:
        >>> import wasserflow as wf
        >>> from wasserflow.models.hub import readme
        >>> readme(wf.zoo.card("25gaussians"), "me/25gaussians").splitlines()[1]
        'library_name: wasserflow'
    """
    from huggingface_hub import ModelCardData

    head = ModelCardData(library_name="wasserflow", tags=["wasserflow", *sorted(card.networks)]).to_yaml()
    use = ["import wasserflow as wf", "", f'model = wf.zoo.load("{name}")']
    if card.prior is not None and {"generator", "critic"} <= set(card.networks):
        use += ["z = model.prior.sample(16, seed=0)", "samples = wf.refine(model.critic, z, model.generator).samples"]
    parts = [f"---\n{head}\n---", f"# {card.name}", card.summary, "```python\n" + "\n".join(use) + "\n```"]
    for title, text in (("Data", card.data), ("Training", card.training), ("Limits", card.limits)):
        parts += [f"## {title}", text] if text else []
    parts += ["## Command", f"```bash\n{card.command}\n```"]
    if card.metrics:
        rows = [f"| {metric} | {json.dumps(value, ensure_ascii=False)} |" for metric, value in card.metrics.items()]
        parts += ["## Metrics", "\n".join(["| what | value |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"
