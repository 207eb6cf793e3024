"""Kept memory shows in the pages that the system must clear."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_STEPS = """
import resource, torch
from wasserflow.memory import keep_freed_memory
done = keep_freed_memory() if {keep} else None
def step():
    return sum(float(block.sum()) for block in [torch.ones(10_000_000) for _ in range(3)])
for _ in range(3):  # where the first blocks lie depends on what was there
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(keep: bool, **environment: str) -> tuple[str, int]:
    done, faults = subprocess.run(
        [sys.executable, "-c", _STEPS.format(keep=keep)], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    return done, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_blocks_are_taken_again_without_new_pages() -> None:
    (_, fetched), (done, kept) = _faults(keep=False), _faults(keep=True)
    assert done == "True"
    assert kept < fetched / 3


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_what_the_environment_says_of_memory_stands() -> None:
    done, faults = _faults(keep=True, MALLOC_TRIM_THRESHOLD_="100000")
    assert done == "False"
    assert faults > 5_000
