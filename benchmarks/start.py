"""How long until something happens: importing the library, and the command line's first answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks.timing import Row, interleaved, ratio


def _python(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def rows(repeats: int) -> list[Row]:
    """Time whole processes and give (subject, ratio, median, min, max, target)."""
    seconds = interleaved(
        {
            "import torch": _python("-c", "import torch"),
            "import wasserflow": _python("-c", "import wasserflow"),
            "wasserflow zoo": _python("-m", "wasserflow.cli", "zoo"),
        },
        repeats,
    )
    compared = [("import wasserflow", 1.3), ("wasserflow zoo", 3.0)]
    return [("start", f"{a} / import torch", *ratio(seconds, a, "import torch"), target) for a, target in compared]
