"""Characters are numbered and read back; the n-gram divergence is that of hand-counted frequencies."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from wasserflow.data.text import PADDING, Alphabet, billion_words, passages
from wasserflow.metrics import ngram_divergence


def test_the_most_frequent_characters_are_known() -> None:
    alphabet = Alphabet.of(["aaab", "abcc", "c d"], most=5)
    assert alphabet.characters == "`?abc" or alphabet.characters == "`?acb"
    assert len(alphabet) == 5


def test_lines_are_cut_filled_up_and_read_back() -> None:
    alphabet = Alphabet("`?ab")
    numbers = alphabet.encode(["abba", "x"], length=3)
    assert numbers.tolist() == [[2, 3, 3], [1, 0, 0]]
    assert alphabet.decode(numbers) == ["abb", "?``"]
    one_hot = alphabet.one_hot(["abba", "x"], length=3)
    assert one_hot.shape == (2, 3, 4)
    assert torch.equal(one_hot.argmax(-1), numbers)
    assert torch.equal(one_hot.sum(-1), torch.ones(2, 3))
    assert alphabet.decode(0.6 * one_hot + 0.1) == ["abb", "?``"]


def test_alphabets_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Alphabet("`?aa")
    with pytest.raises(ValueError, match="without '`'"):
        Alphabet("?ab")


def test_lines_are_read_and_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("one line\n\nanother\n", encoding="utf-8")
    assert billion_words(folder=tmp_path) == ["one line", "another"]
    with pytest.raises(FileNotFoundError, match=r"test\.txt"):
        billion_words("test", tmp_path)


def test_the_divergence_of_hand_counted_bigrams() -> None:
    # ab, ba against ab, ab, bb: p = (1/2, 1/2, 0), q = (2/3, 0, 1/3) on ab, ba, bb.
    p, q = (1 / 2, 1 / 2, 0), (2 / 3, 0, 1 / 3)
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    half = [sum(a * math.log2(a / c) for a, c in zip(x, m, strict=True) if a) for x in (p, q)]
    assert ngram_divergence(["aba"], ["ab", "abb"], n=2) == pytest.approx(sum(half) / 2, rel=1e-12)


def test_the_divergence_is_symmetric_and_padding_counts() -> None:
    a, b = ["the cat" + PADDING, "a dog" + 3 * PADDING], ["the dog" + PADDING, "the cats"]
    assert ngram_divergence(a, b, 4) == pytest.approx(ngram_divergence(b, a, 4), rel=1e-12)
    assert ngram_divergence(["ab"], ["ab" + PADDING], 2) > 0


@pytest.mark.parametrize(
    ("lines", "n", "said"), [(["abc"], 0, "n is 0"), ([], 2, "generated holds no 2"), (["a"], 2, "no 2")]
)
def test_what_cannot_be_counted_is_refused(lines: list[str], n: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ngram_divergence(lines, ["abcd"], n)


def test_characters_of_the_alphabet_survive_a_round_trip() -> None:
    alphabet = Alphabet.of(["the quick brown fox ` ?", "jumps"], most=40)
    assert set(alphabet.characters) == set("the quick brown fox ` ?jumps")
    lines = ["the quick", "brown fox", "?`?`?`?`?"]
    assert alphabet.decode(alphabet.encode(lines, length=9)) == lines
    assert alphabet.decode(alphabet.one_hot(lines, length=9)) == lines


def test_passages_begin_with_words_and_count_no_character_twice() -> None:
    line = "ab cde fg hijk lm"
    assert passages([line], 5) == ["ab cd", "fg hi"]  # "lm" is too short to begin at, "hijk" is begun
    assert passages([line], 5, overlapping=True) == ["ab cd", "cde f", "fg hi", "hijk "]
    assert passages(["ab", "abcde"], 5) == ["ab" + 3 * PADDING, "abcde"]
    with pytest.raises(ValueError, match="no lines"):
        passages([])
    with pytest.raises(ValueError, match="length is 0"):
        passages(["ab"], 0)


def test_choices_and_learning_have_lines_of_their_own(tmp_path: Path) -> None:
    lines = [f"line {i}" for i in range(25)]
    (tmp_path / "train.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "test.txt").write_text("held out", encoding="utf-8")
    train, validation = billion_words("train", tmp_path), billion_words("validation", tmp_path)
    assert train + validation == lines
    assert len(validation) == 2
    assert billion_words("test", tmp_path) == ["held out"]
