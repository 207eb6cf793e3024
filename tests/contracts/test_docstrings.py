"""Every public name of the core explains itself, with an example that runs."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pkgutil import iter_modules

import pytest

import wasserflow as wf
from calls import exported

ROOMS = ("spaces", "ratios", "densities", "potentials", "integrators", "methods")
SINGLE = ("seeds", "divergences", "freezing", "reach", "loading", "rows", "stopping", "flow")


def modules() -> list[str]:
    found = [f"wasserflow.{name}" for name in SINGLE]
    for room in ROOMS:
        package = import_module(f"wasserflow.{room}")
        found += [f"wasserflow.{room}.{part.name}" for part in iter_modules(package.__path__)]
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    if name.endswith(".clip"):
        pytest.importorskip("transformers")
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("room", [*ROOMS, "divergences", "stopping", "flow"])
def test_public_names_have_an_example(room: str) -> None:
    silent = []
    for name, value in exported(import_module(f"wasserflow.{room}")).items():
        is_protocol = getattr(value, "_is_protocol", False)
        is_result = name in ("State", "Refinement", "FlowDiverged")
        if (inspect.isclass(value) or inspect.isroutine(value)) and not (is_protocol or is_result):
            text = inspect.getdoc(value) or ""
            if "Example" not in text:
                silent.append(name)
    assert not silent, f"no example in the docstrings of {silent}"


def test_everything_in_all_exists() -> None:
    """Names of rooms loaded on use are imported by their own tests."""
    from wasserflow import _ROOMS_THAT_LOAD_WHEN_USED

    for room in (wf.data, wf.training):
        assert all(callable(getattr(room, name)) for name in room.__all__)
    with pytest.raises(AttributeError, match=r"it has .*train_vae"):
        wf.training.train_vea  # noqa: B018
    for name in set(wf.__all__) - set(_ROOMS_THAT_LOAD_WHEN_USED):
        assert hasattr(wf, name)
