"""What people type, as jsonargparse reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

_NEVER_TAKE_A_VALUE = {"help", "print_config", "version"}


def normalised(words: Sequence[str]) -> list[str]:
    """Let options be spelled with dashes, and switches stand without a value.

    `--num-nodes 2` becomes `--num_nodes 2`, and `--overwrite` becomes `--overwrite=true`.

    Args:
        words: the words after the program's name.

    Returns:
        The words for jsonargparse.

    Example:
        >>> from wasserflow.cli.arguments import normalised
        >>> normalised(["refine", "--num-nodes", "2", "--overwrite"])
        ['refine', '--num_nodes', '2', '--overwrite=true']
    """
    result = []
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if not word.startswith("--") or word == "--":
            result.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if not equals and after.startswith("--") and name not in _NEVER_TAKE_A_VALUE:
            equals, value = "=", "true"
        result.append(f"--{name}{equals}{value}")
    return result


def check_config(words: Sequence[str]) -> None:
    """Refuse a config file that cannot be read, by its name.

    Args:
        words: the words after the program's name.

    Raises:
        ValueError: a file after `--config` is missing, not YAML, or not a mapping of options.
    """
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name != "--config":
            continue
        path = Path(value if equals else after)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"the config file {path} cannot be read: {reason}") from error
        if not isinstance(content, dict):
            raise ValueError(f"the config file {path} holds no options; write lines like `steps: 25`")
