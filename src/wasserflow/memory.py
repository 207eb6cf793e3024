"""Memory that the C library would hand back and fetch again at every step."""

from __future__ import annotations

import ctypes
import os

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_SETTINGS = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_THRESHOLD_",
    "MALLOC_MMAP_MAX_",
    "GLIBC_TUNABLES",
)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, up to 2 GiB of it, for its own next use.

    A step of a flow frees its activations and the next one takes as much again. glibc returns such blocks to the
    system, which must then clear every page anew: a good part of the time of a refinement on a CPU. The command line
    calls this when it starts. It is a setting of the whole process and cannot be taken back, so nothing else in the
    library does; call it first thing in a script of your own. What the process holds then stays at its peak.

    Returns:
        Whether it was done: not where the environment already says what malloc is to do, nor without glibc.

    Source: mallopt(3), M_TRIM_THRESHOLD and M_MMAP_MAX.

    Example:
        >>> from wasserflow.memory import keep_freed_memory
        >>> done = keep_freed_memory()
    """
    if any(name in os.environ for name in _SETTINGS):
        return False
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no such handle
        return False
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1) == 1 and libc.mallopt(_MMAP_MAX, 0) == 1
