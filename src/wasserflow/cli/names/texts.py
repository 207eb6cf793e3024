"""Text by its name, and strings as commands store, measure and show them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor

from wasserflow.data.images import Split
from wasserflow.data.text import LENGTH, Alphabet, billion_words, passages
from wasserflow.reports import format_table

TextName = Literal["billion-words"]

CHARACTERS = 80  # size of the alphabets that are made here
_TEXTS: dict[str, Callable[[Split], list[str]]] = {"billion-words": billion_words}
_SHOWN = 100


def is_text(data: str) -> bool:
    """Whether a name is one of a text."""
    return data in _TEXTS


def text_of(data: str, split: Split) -> list[str]:
    """Read the lines of a text by its name."""
    return _TEXTS[data](split)


def storing(alphabet: Alphabet) -> Callable[[Tensor], np.ndarray]:
    """Give what stores probabilities (n, length, characters) as strings (n,)."""
    return lambda samples: np.array(alphabet.decode(samples))


class TextMeasure:
    """JS-4 and JS-6 of strings against held-out text, in the eyes of an alphabet.

    Args:
        reference: the name of the text.
        alphabet: characters that the strings may have; the most frequent ones of the training text if None.
        split: `test`, or `validation` for choosing settings.
        needed: refuse to go on without the text; else nothing is measured where it is absent.

    Raises:
        FileNotFoundError: the text is needed and absent.
    """

    def __init__(
        self,
        reference: str,
        alphabet: Alphabet | None = None,
        split: Literal["test", "validation"] = "test",
        needed: bool = True,
    ) -> None:
        self.reference, self.split, self._alphabet = reference, split, alphabet
        if needed:
            _ = self.held_out

    @property
    def labels(self) -> dict[str, str]:
        """Metric -> its name in a table."""
        return {"js4": "JS-4, bits ↓", "js6": "JS-6, bits ↓"}

    @cached_property
    def alphabet(self) -> Alphabet:
        """The characters that strings may have."""
        return self._alphabet or Alphabet.of(text_of(self.reference, "train"), CHARACTERS)

    @cached_property
    def held_out(self) -> list[str]:
        """The strings that others are compared with."""
        return self.alphabet.decode(self.alphabet.encode(passages(text_of(self.reference, self.split))))

    def __call__(self, samples: np.ndarray) -> dict[str, Any]:
        """Measure strings (n,).

        Raises:
            ValueError: no strings, or some of another length or with characters that the alphabet lacks.
        """
        # It brings other metrics with it, which take seconds to import.
        from wasserflow.metrics import ngram_divergence

        if samples.ndim != 1 or samples.dtype.kind != "U":
            raise ValueError(f"the samples are {samples.dtype} {samples.shape}; {self.reference} needs strings (n,)")
        strings = cast("list[str]", samples.tolist())
        try:
            known = set(self.alphabet.characters)
            held_out = self.held_out
        except FileNotFoundError as error:
            return {"samples": len(strings), "reference": f"nothing, since {error}"}
        for i, string in enumerate(strings):
            if len(string) != LENGTH or set(string) - known:
                raise ValueError(
                    f"string {i} is {string!r}; give strings of {LENGTH} characters, each of "
                    f"{self.alphabet.characters!r}"
                )
        return {
            **{f"js{n}": ngram_divergence(strings, held_out, n) for n in (4, 6)},
            "samples": len(strings),
            "reference": f"{len(held_out)} strings of the {self.split} text of {self.reference}",
        }


def save_strings(out: Path, before: np.ndarray, after: np.ndarray) -> Path:
    """Write `before_after.txt`, the first strings before and after a flow beside each other.

    Returns:
        The file.
    """
    rows = list(zip(before[:_SHOWN].tolist(), after[:_SHOWN].tolist(), strict=True))
    table = format_table(["before", "after"], rows)
    (out / "before_after.txt").write_text(table + "\n", encoding="utf-8")
    return out / "before_after.txt"
