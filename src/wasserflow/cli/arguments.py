"""What people type, as jsonargparse reads it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

_DASHED_KEY = re.compile(r"^ *\w+(-\w+)+(?=\s*:)", re.MULTILINE)


def switches(commands: Mapping[str, Any]) -> set[str]:
    """List the options of commands that are true or false.

    Args:
        commands: name -> function, or name -> group of such.

    Example:
        >>> from wasserflow.cli.arguments import switches
        >>> def refine(steps: int = 25, overwrite: bool = False) -> None: ...
        >>> switches({"refine": refine})
        {'overwrite'}
    """
    found: set[str] = set()
    for command in commands.values():
        if isinstance(command, Mapping):
            found |= switches(command)
        elif callable(command):
            options = inspect.signature(command).parameters.values()
            found |= {option.name for option in options if option.annotation in (bool, "bool", "bool | None")}
    return found


def normalised(words: Sequence[str], switches: Collection[str]) -> list[str]:
    """Let options be spelled with dashes, and switches stand without a value.

    `--num-nodes 2` becomes `--num_nodes 2`, and `--overwrite` becomes `--overwrite=true`. A config file that spells
    options with dashes is replaced by its mended content.

    Args:
        words: the words after the program's name.
        switches: the options that are true or false, underscored.

    Returns:
        The words for jsonargparse.

    Raises:
        ValueError: a file after `--config` is missing, not YAML, or not a mapping of options.

    Example:
        >>> from wasserflow.cli.arguments import normalised
        >>> normalised(["refine", "--num-nodes", "2", "--overwrite"], {"overwrite"})
        ['refine', '--num_nodes', '2', '--overwrite=true']
    """
    result: list[str] = []
    for word, after in pairwise([*words, "--"]):
        if result and result[-1] == "--config":
            result.append(_config(word))
            continue
        if not word.startswith("--") or word == "--":
            result.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if not equals and after.startswith("--") and name in switches:
            equals, value = "=", "true"
        if equals and name == "config":
            value = _config(value)
        result.append(f"--{name}{equals}{value}")
    return result


def _config(file: str) -> str:
    """The file, or its content where options must be respelled."""
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"the config file {path} cannot be read: {reason}") from error
    if not isinstance(content, dict):
        raise ValueError(f"the config file {path} holds no options; write lines like `steps: 25`")
    mended = _DASHED_KEY.sub(lambda key: key[0].replace("-", "_"), text)
    return file if mended == text else mended
