"""The parser of the command line: options are shown as people type them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

_OPTION = re.compile(r"--[\w.]+_\w+")
_KEY = re.compile(r"(?:[\w-]+\.)+(\w+)")
_REQUIRED = "the following arguments are required: "
_UNKNOWN = re.compile(r"unrecognized arguments: (--[\w.-]+)")
_WRONG_KEY = re.compile(r'Parser key "([\w.-]+)":\s*')
_UNKNOWN_IN_FILE = re.compile(r"'[\w-]+'")  # all that jsonargparse says of it is the name of the group of commands
_CONDITIONAL = re.compile(r"Conditional<ast-\s*resolver>\s+\{(.*?)(?:,\s+NOT_ACCEPTED)?\}", re.DOTALL)
_SUBCOMMAND = re.compile(r'expected "(?:(.+)\.)?subcommand" to be one of')
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "null",
    "list": "a list",
    "tuple": "a list",
    "Sequence": "a list",
}


class Parser(ArgumentParser):
    """jsonargparse's, with dashes in the names of options, and refusals without a page of usage before them."""

    def format_help(self, *given: Any) -> str:
        """Give the page of `--help`."""
        # Where a default depends on another option, jsonargparse shows the ways it may be read.
        return _CONDITIONAL.sub(r"\1", dashed(super().format_help(*given)))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and where to read on, and leave with status 2."""
        parser = getattr(ex, "subcommand_parser", None) or self
        command = re.sub(r" \[[^]]*\]", "", parser.prog)
        # jsonargparse names options from the root, and so the command that lacks them.
        if message.startswith(_REQUIRED):
            names = message.removeprefix(_REQUIRED)
            command = _below(command, names.split(", ")[0].rpartition(".")[0])
            message = _REQUIRED + dashed(_KEY.sub(r"--\1", names))
        elif group := _SUBCOMMAND.match(message):
            command = _below(command, group[1] or "")
            message = ", ".join(["give one of its commands", *_commands(self, command.split()[1:])])
        elif key := _WRONG_KEY.match(message):
            path = [name for name in key[1].split(".") if name not in command.split()]
            message = _explained(".".join(path), message[key.end() :])
        elif _UNKNOWN_IN_FILE.fullmatch(message):
            message = "the config file has an option that the command does not take"
        elif unknown := _UNKNOWN.match(message):
            near = get_close_matches(dashed(unknown[1]), map(dashed, parser._option_string_actions), 1)
            message += f"; did you mean {near[0]}?" if near else ""
        sys.stderr.write(f"{command}: {dashed(message)}\nall options: {command} --help\n")
        self.exit(2)


def _explained(option: str, problem: str) -> str:
    """What an option was given and what it takes, in a line, where jsonargparse lists types in several."""
    given = re.search(r"(?:Given|Got) value: (.*)", problem)
    expected = re.findall(
        r"Expected a (?:<class '(?:\w+\.)*(\w+)'>|typing\.Literal\[(.*?)\]|tuple with (\d+) elements)", problem
    )
    if not given or not expected:
        return f"--{option}: {problem}"
    kinds: list[str] = []
    for kind, values, count in expected:
        kinds += [f"a list of {count}"] if count else values.split(", ") if values else [_KINDS.get(kind, kind)]
    kinds = [kind.strip("'") for kind in kinds]
    return f"--{option} is {given[1]}; give {' or '.join(filter(None, [', '.join(kinds[:-1]), kinds[-1]]))}"


def _commands(parser: argparse.ArgumentParser, path: Sequence[str]) -> list[str]:
    """The commands of a parser, or those of one of its groups."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return _commands(action.choices[path[0]], path[1:]) if path else list(action.choices)
    return []


def _below(command: str, path: str) -> str:
    return " ".join([command.split()[0], *filter(None, path.split("."))]) if path else command


def dashed(text: str) -> str:
    """Write options with dashes.

    Example:
        >>> from wasserflow.cli.parser import dashed
        >>> dashed("[--step_size STEP_SIZE]")
        '[--step-size STEP_SIZE]'
    """
    return _OPTION.sub(lambda option: option[0].replace("_", "-"), text)
