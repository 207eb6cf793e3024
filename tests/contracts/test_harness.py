"""The tests' own footing: annotations are checked, and leaked globals fail the test that leaks them."""

from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

import wasserflow as wf
from torch_globals import restore, torch_globals


def test_annotations_are_checked() -> None:
    with pytest.raises(TypeCheckError):
        wf.KL().weight(torch.ones(2, 2))


@pytest.mark.usefixtures("unchecked_annotations")
def test_annotations_can_be_left_unchecked() -> None:
    assert wf.KL().weight(torch.ones(2, 2)).shape == (2, 2)


@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("default dtype", lambda: torch.set_default_dtype(torch.float64)),
        ("default device", lambda: torch.set_default_device("meta")),
        ("grad mode", lambda: torch.set_grad_enabled(False)),
        ("anomaly mode", lambda: torch.autograd.set_detect_anomaly(True)),
        ("deterministic algorithms", lambda: torch.use_deterministic_algorithms(True)),
        ("threads", lambda: torch.set_num_threads(2)),
        ("matmul precision", lambda: torch.set_float32_matmul_precision("medium")),
        ("parametrize cache on", lambda: setattr(torch.nn.utils.parametrize, "_cache_enabled", 1)),
    ],
)
def test_leaks_are_seen_and_put_back(name: str, leak) -> None:
    before = torch_globals()
    leak()
    after = torch_globals()
    restore(before)
    assert {key for key in before if before[key] != after[key]} == {name}
    assert torch_globals() == before


def test_one_thread() -> None:
    assert torch.get_num_threads() == 1
