"""Kept memory shows in the pages that the system must clear."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
import torch

from wasserflow import memory

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


_FLOW = """
import resource, torch, wasserflow as wf
from wasserflow import memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def energy(x):
    return (x[:, :, None] * torch.ones(10_000_000)).square().mean(dim=(1, 2))

x, rule, marks = torch.ones(1, 2), wf.EulerMaruyama(0.1), []
wf.flow(x, energy, rule, steps=1)
before, memory._LONG = held(), 0.0
wf.flow(x, energy, rule, steps=6, watch=lambda state: marks.append(faults()))
print((marks[-1] - marks[1]) * resource.getpagesize() // 4, held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_flow_keeps_its_memory_for_its_next_step_and_hands_it_back() -> None:
    run = subprocess.run([sys.executable, "-c", _FLOW], env={}, check=True, capture_output=True, text=True)
    fetched_by_a_step, left = map(int, run.stdout.split())
    assert fetched_by_a_step < 170e6, "it needs 340 MB, and would fetch all of them again"
    assert left < 60e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_the_last_of_those_who_keep_memory_hands_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int] | str] = []

    class Library:
        def mallopt(self, setting: int, value: int) -> int:
            asked.append((setting, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            asked.append("trim")
            return 1

    monkeypatch.setattr(memory, "_malloc", Library)
    monkeypatch.setattr(memory, "_users", 0)
    monkeypatch.setattr(memory, "_LONG", 0.0)
    keeping, usual = list(memory._KEEPING.items()), list(memory._USUAL.items())
    with memory.freed_memory_kept(x := torch.ones(2)):
        with pytest.raises(KeyError), memory.freed_memory_kept(x):
            raise KeyError
        assert asked == keeping
    assert asked == [*keeping, *usual, "trim"]
    asked.clear()
    with memory.freed_memory_kept(x.to("meta")):
        assert asked == []
    memory.keep_freed_memory()
    with memory.freed_memory_kept(x):
        pass
    assert asked == keeping, "for the whole process, a flow takes nothing back"


def test_a_library_that_refuses_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def mallopt(self, setting: int, value: int) -> int:
            return 0

    monkeypatch.setattr(memory, "_malloc", Refusing)
    monkeypatch.setattr(memory, "_users", 0)
    assert not memory.keep_freed_memory()
    with memory.freed_memory_kept(torch.ones(2)):
        assert memory._users == 0
