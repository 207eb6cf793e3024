"""Models to the Hugging Face hub and back, with a folder in the hub's place: no test reaches the network."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors

import wasserflow as wf
from wasserflow.models import zoo
from wasserflow.models.pretrained import Card, Pretrained, Recipe, load_pretrained, save_pretrained


class FolderHub:
    """What the library asks of the hub, answered from a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []

    def snapshot_download(self, repo_id: str, **options: Any) -> str:
        self.asked.append((repo_id, options))
        folder = self.root / repo_id
        if not folder.is_dir():
            raise errors.LocalEntryNotFoundError("cannot find the requested files in the disk cache")
        return str(folder)

    def create_repo(self, api: Any, repo_id: str, **options: Any) -> None:
        self.asked.append((repo_id, options | {"token": api.token}))
        (self.root / repo_id).mkdir(parents=True, exist_ok=options["exist_ok"])

    def upload_folder(self, api: Any, repo_id: str, folder_path: Path, **options: Any) -> str:
        self.asked.append((repo_id, options))
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}/commit/1"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderHub:
    hub = FolderHub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    for name in ("create_repo", "upload_folder"):
        call = getattr(hub, name)
        monkeypatch.setattr(huggingface_hub.HfApi, name, lambda api, *a, call=call, **k: call(api, *a, **k))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return hub


@pytest.fixture
def pair(tmp_path: Path) -> Pretrained:
    networks = {"generator": Recipe("mlp_generator", {"width": 8}), "critic": Recipe("mlp_critic", {"width": 8})}
    card = Card(
        "tiny",
        "Two small perceptrons.",
        "25gaussians",
        "wasserflow train mlp-gan --out runs/tiny",
        "not at all",
        networks,
        prior=Recipe("Normal", {"shape": 2}),
        metrics={"w2": 1.5},
        limits="Good for nothing.",
    )
    made = {name: getattr(wf.models, recipe.make)(**recipe.arguments) for name, recipe in networks.items()}
    save_pretrained(tmp_path / "saved", card, made)
    return load_pretrained(tmp_path / "saved")


def test_a_pair_to_the_hub_and_back(hub: FolderHub, pair: Pretrained) -> None:
    with torch.no_grad():
        pair.generator[0].weight.add_(1)  # the networks as they are now, not as they were on disk
    address = pair.push_to_hub("me/my-gan", private=True, token="hf_x", message="First")
    assert address == "https://hub/me/my-gan/commit/1"
    assert hub.asked[0] == ("me/my-gan", {"private": True, "exist_ok": True, "token": "hf_x"})
    assert hub.asked[1] == ("me/my-gan", {"commit_message": "First"})
    back = wf.zoo.load("me/my-gan", revision="v1")
    assert hub.asked[2][1]["revision"] == "v1"
    assert set(hub.asked[2][1]["allow_patterns"]) == {"*.json", "*.safetensors", "*.txt", "*.md"}  # nothing pickled
    z = back.prior.sample(5, seed=0)
    assert torch.equal(back.generator(z), pair.generator(z))
    assert torch.equal(back.critic(z), pair.critic(z))
    assert back.card == pair.card
    assert {path.name for path in back.folder.iterdir()} == {
        "card.json",
        "README.md",
        "generator.safetensors",
        "critic.safetensors",
    }


def test_the_readme_says_what_the_card_says_and_how_to_load(hub: FolderHub, pair: Pretrained) -> None:
    pair.push_to_hub("me/my-gan")
    card = huggingface_hub.ModelCard.load(hub.root / "me/my-gan/README.md")
    assert card.data.library_name == "wasserflow"
    for text in ("Two small perceptrons.", "Good for nothing.", "not at all", "| w2 | 1.5 |", pair.card.command):
        assert text in card.text
    code = card.text.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)  # the very lines that a reader would copy
    assert names["samples"].shape == (16, 2)


def test_what_is_borrowed_and_reference_moments_go_with_it(hub: FolderHub) -> None:
    pair = wf.zoo.load("cifar10-sndcgan")
    pair.push_to_hub("me/borrower")
    alone = wf.zoo.load("me/borrower")
    assert not alone.card.borrowed
    assert replace(alone.card, borrowed=pair.card.borrowed) == pair.card
    for key, value in pair.critic.state_dict().items():
        assert torch.equal(alone.critic.state_dict()[key], value)
    wf.zoo.load("mnist-resnet").push_to_hub("me/judge")
    assert (hub.root / "me/judge/reference-mnist.safetensors").is_file()


def test_networks_that_write_themselves_go_too(hub: FolderHub) -> None:
    pytest.importorskip("transformers")
    clip = wf.zoo.load("cifar10-clip")
    clip.push_to_hub("me/clip")
    images = torch.zeros(1, 3, 32, 32)
    torch.testing.assert_close(wf.zoo.load("me/clip").model(images), clip.model(images))


def test_shipped_names_and_folders_come_first(hub: FolderHub, pair: Pretrained, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "saved", Path("me/local"))
    assert wf.zoo.load("me/local").card.name == "tiny"
    assert wf.zoo.load("25gaussians").card.name == "25gaussians"
    assert hub.asked == []
    for name in ("me/local", "25gaussians"):
        with pytest.raises(ValueError, match=r"revision is 'v1', but .* is a folder here"):
            wf.zoo.load(name, revision="v1")


@pytest.mark.parametrize("name", ["nothing", "./me/gan", "/me/gan", "a/b/c", "me/", "../x"])
def test_other_names_are_not_asked_for(hub: FolderHub, name: str) -> None:
    with pytest.raises(ValueError, match=r"no model .*shipped are 25gaussians.*or owner/name"):
        wf.zoo.load(name)
    with pytest.raises(ValueError, match="no model"):
        zoo.card(Path("me/gan"))
    assert hub.asked == []


def test_a_folder_without_a_card_is_not_looked_for_on_the_hub(hub: FolderHub) -> None:
    Path("runs/first").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"'runs/first' is a folder without a card\.json"):
        wf.zoo.load("runs/first")
    assert hub.asked == []


def test_without_a_network_the_error_says_so(hub: FolderHub) -> None:
    with pytest.raises(ValueError, match=r"'me/gan' is no folder here, and could not be fetched .* at revision 'v2'"):
        wf.zoo.load("me/gan", revision="v2")


def test_a_repository_that_is_not_there(hub: FolderHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: Any, **options: Any) -> str:
        raise errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", missing)
    with pytest.raises(ValueError, match="'me/gan' is neither a folder here nor a model on the hub; if it is private"):
        wf.zoo.load("me/gan")


def test_a_repository_of_another_kind(hub: FolderHub) -> None:
    (hub.root / "google/bert").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"'google/bert' on the hub has no card\.json: it is no model of wasserflow"):
        wf.zoo.load("google/bert")


def test_offline_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the hub's own switch, and nothing in its cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match="'nobody/nothing' is no folder here, and could not be fetched from the hub"):
        wf.zoo.load("nobody/nothing")


def test_a_slip_of_the_keys_is_guessed() -> None:
    with pytest.raises(ValueError, match=r"no model '25gausians', did you mean '25gaussians'\?"):
        wf.zoo.load("25gausians")
