"""Lines of text as strings of characters of one length: the Billion Words sample."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wasserflow.data.folder import data_folder
from wasserflow.data.images import Split

PADDING = "`"
LENGTH = 32


@dataclass(frozen=True)
class Alphabet:
    """The characters a model knows, and how they are numbered.

    Args:
        characters: distinct characters; `PADDING`, which fills up short lines, and the one that stands for all unknown
            ones must be among them.
        unknown: the character that stands for all others.

    Raises:
        ValueError: a character twice, or one of the two missing.

    Example:
        >>> from wasserflow.data.text import Alphabet
        >>> alphabet = Alphabet("`?ab")
        >>> alphabet.decode(alphabet.encode(["abc", "b"], length=4))
        ['ab?`', 'b```']
    """

    characters: str
    unknown: str = "?"

    def __post_init__(self) -> None:
        if len(set(self.characters)) < len(self.characters):
            raise ValueError(f"characters is {self.characters!r}, some of them twice; give each once")
        for needed in (PADDING, self.unknown):
            if needed not in self.characters:
                raise ValueError(f"characters is {self.characters!r}, without {needed!r}; add it")

    def __len__(self) -> int:
        return len(self.characters)

    @classmethod
    def of(cls, lines: Sequence[str], most: int = 64) -> Alphabet:
        """The most frequent characters of some lines, `most` of them with the two that every alphabet has."""
        counts = Counter(character for line in lines for character in line)
        frequent = [character for character, _ in counts.most_common() if character not in (PADDING, "?")]
        return cls(PADDING + "?" + "".join(frequent[: most - 2]))

    def encode(self, lines: Sequence[str], length: int = LENGTH) -> Int64[Tensor, "n length"]:
        """Number the characters of (n,) lines; longer lines are cut, shorter ones filled up with `PADDING`."""
        number = {character: i for i, character in enumerate(self.characters)}
        other = number[self.unknown]
        rows = [[number.get(c, other) for c in line[:length].ljust(length, PADDING)] for line in lines]
        return torch.tensor(rows, dtype=torch.int64).reshape(len(rows), length)

    def one_hot(self, lines: Sequence[str], length: int = LENGTH) -> Float[Tensor, "n length characters"]:
        """The same as probabilities that are 0 or 1: what a critic of text is shown of real lines."""
        return torch.nn.functional.one_hot(self.encode(lines, length), len(self)).float()

    def decode(self, numbers: Tensor) -> list[str]:
        """Read (n, length) numbers, or (n, length, characters) probabilities by the likeliest, as strings."""
        numbers = numbers.argmax(dim=-1) if numbers.is_floating_point() else numbers
        return ["".join(self.characters[i] for i in row) for row in numbers.tolist()]


def passages(lines: Sequence[str], length: int = LENGTH, overlapping: bool = False) -> list[str]:
    """Cut lines into strings of one length, each from the beginning of a word.

    Args:
        lines: text; a line that is too short is filled up with `PADDING`, what a longer one leaves over is dropped.
        length: characters in a string.
        overlapping: begin one at every word, which gives as much to learn from as there is; else where the one before
            has ended, so that no character counts twice.

    Raises:
        ValueError: a length below 1, or no lines.

    Example:
        >>> from wasserflow.data.text import passages
        >>> passages(["one two three", "four"], length=6)
        ['one tw', 'four``']
        >>> passages(["one two three"], length=6, overlapping=True)
        ['one tw', 'two th']
    """
    if length < 1:
        raise ValueError(f"length is {length}; give at least 1 character")
    if not lines:
        raise ValueError("there are no lines to cut; give at least one")
    cut = []
    for line in lines:
        if len(line) < length:
            cut.append(line.ljust(length, PADDING))
        free = 0
        for start in (0, *(match.end() for match in re.finditer(" ", line))):
            if free <= start <= len(line) - length:
                cut.append(line[start : start + length])
                free = start + (1 if overlapping else length)
    return cut


def billion_words(split: Split = "train", folder: Path | None = None) -> list[str]:
    """Read the lines of the Billion Words sample.

    The last tenth of `train.txt` is `validation`, so that choices are never made on `test`.

    Args:
        split: `train`, `validation` or the held-out `test`.
        folder: where `train.txt` and `test.txt` are; the environment variable WASSERFLOW_DATA names the folder above
            it if None.

    Returns:
        The lines, tokenised, without their ends.

    Raises:
        FileNotFoundError: there is no such file; the message says where it was looked for.

    Source: Chelba et al. 2013 (arXiv 1312.3005).
    """
    path = (folder or data_folder() / "billion_words") / f"{'test' if split == 'test' else 'train'}.txt"
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; put the data there, or name its folder in WASSERFLOW_DATA")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    held_out = len(lines) // 10
    return {"train": lines[: len(lines) - held_out], "validation": lines[len(lines) - held_out :], "test": lines}[split]
