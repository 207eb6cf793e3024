"""The examples of the guides run as they are written, one after another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["your-model.md"])
def test_examples_run(page: str) -> None:
    pytest.importorskip("diffusers")
    blocks = CODE.findall((DOCS / page).read_text(encoding="utf-8"))
    assert len(blocks) > 1
    names: dict[str, object] = {"__name__": "example"}
    for number, block in enumerate(blocks):
        with torch.random.fork_rng():
            exec(compile(block, f"{page}, example {number + 1}", "exec"), names)


def test_links_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in target or (DOCS / target).exists(), f"{page.name} links to {target}"
