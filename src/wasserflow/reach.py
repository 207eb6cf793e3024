"""What an object holds and a function can call on, one step at a time."""

from __future__ import annotations

import dis
import functools
import inspect
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType
from typing import Any

from torch import Tensor

_LEAVES = (str, bytes, int, float, complex, Tensor, type(None))
_MANY = 10_000  # a longer collection is data, and would take seconds to look through
_LIBRARIES = (sysconfig.get_path("stdlib"), str(Path(__file__).parent))


def parts_of(item: object) -> list[object]:
    """List what an object leads to: contents, attributes, those of its class, what a function closes over and names.

    Nothing is called: properties are not evaluated. Collections of more than 10,000 are not looked into. Of installed
    packages neither the globals nor what classes hold is followed: no network of the caller's is there.

    Args:
        item: any object.

    Returns:
        The next objects, some of them more than once; none for numbers, texts, tensors and imported modules.

    Example:
        >>> from wasserflow.reach import parts_of
        >>> parts_of(lambda x, scale=[3]: x)
        [[3]]
    """
    if isinstance(item, _LEAVES) or inspect.ismodule(item):
        return []
    if isinstance(item, FunctionType):
        return list(_parts_of_function(item))
    if isinstance(item, type):
        return [value for each in item.__mro__ if not _installed(_file_of(each)) for value in vars(each).values()]
    parts: list[object] = []
    if isinstance(item, (dict, MappingProxyType)) and len(item) <= _MANY:
        parts += item.values()
    elif isinstance(item, (list, tuple, set, frozenset, deque)) and len(item) <= _MANY:
        parts += item
    return [*parts, *getattr(item, "__dict__", {}).values(), *_slots(item), type(item)]


def _installed(file: str) -> bool:
    return file.startswith(_LIBRARIES) or "site-packages" in file or "dist-packages" in file


def _file_of(item: type) -> str:
    return getattr(sys.modules.get(item.__module__), "__file__", None) or ""


def _slots(item: object) -> Iterator[object]:
    """The values of `__slots__`; python keeps in the same way what partials, methods and properties hold."""
    kind: Any = type(item)
    # A metaclass can make classes that no cache takes.
    for member in (_members if callable(type(kind).__hash__) else _members.__wrapped__)(kind):
        with suppress(AttributeError):  # one that was never set
            yield member.__get__(item)


@functools.lru_cache(maxsize=1024)
def _members(kind: Any) -> list[Any]:
    return [member for each in kind.__mro__ for member in vars(each).values() if inspect.ismemberdescriptor(member)]


def _parts_of_function(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # one that is not filled yet
            yield cell.cell_contents
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from vars(function).values()
    if _installed(function.__code__.co_filename):
        return
    names, attributes = _names(function.__code__)
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        yield value
        if inspect.ismodule(value) and not _installed(getattr(value, "__file__", None) or ""):
            yield from (vars(value)[attribute] for attribute in attributes & vars(value).keys())


def names_of(function: object) -> frozenset[str]:
    """All names that the code of a function reads, those of attributes and of the functions inside it too.

    Of functions of installed packages none.

    Example:
        >>> from wasserflow.reach import names_of
        >>> sorted(names_of(lambda x: x.sum().sqrt()))
        ['sqrt', 'sum']
    """
    if not isinstance(function, FunctionType) or _installed(function.__code__.co_filename):
        return frozenset()
    return _names(function.__code__)[1]


@functools.cache
def _names(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """The globals that code reads, and all names in it, those of attributes too; with the functions made inside it."""
    read = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    every = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner, more = _names(constant)
            read |= inner
            every |= more
    return frozenset(read), frozenset(every)
