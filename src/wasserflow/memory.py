"""Memory that the C library would hand back and fetch again at every step."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_SETTINGS = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "GLIBC_TUNABLES",
)
_KEEPING = {_TRIM_THRESHOLD: 2**31 - 1, _MMAP_MAX: 0}
# Where glibc's own thresholds end once a block of 32 MiB has been freed.
_LARGE = 32 * 2**20
_USUAL = {_TRIM_THRESHOLD: 2 * _LARGE, _MMAP_MAX: 65_536}

_LONG = 1.0  # seconds a block must take: what it hands back, the next one waits for again, some 0.2 ms a MiB

_LOCK = threading.Lock()
_users = 0


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, up to 2 GiB of it, for its own next use, from now on.

    `wf.flow`, and with it every method that moves particles, does so for as long as it runs. Call this first thing in
    a script of many short flows, or that uses `wf.iterate`: nothing is handed back between them, and what the process
    holds stays at its peak. The command line does.

    Returns:
        Whether it was done: not where the environment already says what malloc is to do, nor without glibc.

    Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_MAX.

    Example:
        >>> from wasserflow.memory import keep_freed_memory
        >>> done = keep_freed_memory()
    """
    return _enter()


@contextmanager
def freed_memory_kept(x: object) -> Iterator[None]:
    """Keep the memory that is freed inside the block for its next use there, and hand it back at the end.

    A step of a flow frees its activations and the next one takes as much again. glibc returns such blocks to the
    system, which must then clear every page anew: a good part of the time of images on a CPU. It is a setting of the
    whole process, so other threads keep theirs too meanwhile; after a block of a second or more all that is free is
    handed back; from then on blocks above 32 MiB are at once, and others when more than 64 MiB are free, which is where
    glibc's own rule ends.

    Args:
        x: the particles; nothing is done if they are not on the CPU.

    Example:
        >>> import torch
        >>> from wasserflow.memory import freed_memory_kept
        >>> with freed_memory_kept(x := torch.ones(1_000_000)):
        ...     total = x.square().sum()
    """
    if not isinstance(x, Tensor) or x.device.type != "cpu" or not _enter():
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        _leave(long=time.perf_counter() - start > _LONG)


@cache
def _malloc() -> Any:
    """The C library if it is glibc and the environment leaves its malloc to us; else None."""
    if any(name in os.environ for name in _SETTINGS):
        return None
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no such handle
        return None
    if not hasattr(libc, "gnu_get_libc_version"):
        return None
    libc.mallopt(_MMAP_THRESHOLD, _LARGE)
    return libc


def _enter() -> bool:
    global _users
    libc = _malloc()
    if libc is None:
        return False
    with _LOCK:
        if _users == 0 and not all(libc.mallopt(setting, value) == 1 for setting, value in _KEEPING.items()):
            return False
        _users += 1
        return True


def _leave(long: bool) -> None:
    global _users
    with _LOCK:
        _users -= 1
        if _users:
            return
        libc = _malloc()
        for setting, value in _USUAL.items():
            libc.mallopt(setting, value)
        if long:
            libc.malloc_trim(0)
