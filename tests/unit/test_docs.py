"""The examples of the guides run as they are written, one after another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
README = DOCS.parent / "README.md"


@pytest.mark.parametrize("page", [README, DOCS / "your-model.md"], ids=lambda page: page.name)
def test_examples_run(page: Path) -> None:
    if page != README:
        pytest.importorskip("diffusers")
    blocks = CODE.findall(page.read_text(encoding="utf-8"))
    assert len(blocks) > 1
    names: dict[str, object] = {"__name__": "example"}
    names |= {"generator": nn.Linear(128, 2), "critic": nn.Linear(2, 1)}  # README's are the reader's own
    for number, block in enumerate(blocks):
        with torch.random.fork_rng():
            exec(compile(block, f"{page.name}, example {number + 1}", "exec"), names)


def test_links_lead_somewhere() -> None:
    for page in [README, *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"
