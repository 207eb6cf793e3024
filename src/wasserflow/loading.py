"""Names that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def load_when_used(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a package whose names live in modules that are slow to import, or need an extra.

    Args:
        package: the package's name.
        homes: name -> the module that defines it.

    Returns:
        A function from a name to what it stands for.

    Raises:
        AttributeError: by the function, for another name.

    Example:
        >>> from wasserflow.loading import load_when_used
        >>> load_when_used("numbers", {"Fraction": "fractions"})("Fraction")(1, 2)
        Fraction(1, 2)
    """

    def load(name: str) -> Any:
        if name in homes:
            return getattr(importlib.import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(homes))}")

    return load
