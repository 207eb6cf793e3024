"""What every test stands on: checked annotations, fixed seeds, one thread, and no torch global left changed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import config as jaxtyping_config
from jaxtyping import install_import_hook

from torch_globals import restore, torch_globals

# Must come before the first import of the package: only modules imported later are checked.
install_import_hook("wasserflow", "typechecker.checked")

torch.set_num_threads(1)

DATA_DIR = Path(os.environ.get("WASSERFLOW_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")


@pytest.fixture(autouse=True)
def no_leaked_globals() -> Iterator[None]:
    before = torch_globals()
    yield
    after = torch_globals()
    leaked = [f"{name}: {before[name]} became {after[name]}" for name in before if before[name] != after[name]]
    restore(before)
    assert not leaked, "the test left torch changed: " + "; ".join(leaked)


@pytest.fixture(autouse=True)
def seeded() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def unchecked_annotations() -> Iterator[None]:
    """Run the library as its users do, without the annotation checks: its own refusals must stand alone."""
    jaxtyping_config.update("jaxtyping_disable", True)
    yield
    jaxtyping_config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the shared data sets; the test is skipped where it is absent."""
    if not DATA_DIR.is_dir():
        pytest.skip(f"no data in {DATA_DIR}: set WASSERFLOW_DATA to the folder that holds cifar10/, mnist/, ...")
    return DATA_DIR.resolve()
