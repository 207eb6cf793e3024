"""Tables."""

from __future__ import annotations

import pytest

from wasserflow.reports import before_after_table, format_table


def test_columns_are_aligned() -> None:
    table = format_table(["method", "W2", "steps"], [["DGflow (KL)", 0.5, 25], ["DOT", None, 100]])
    assert table.splitlines() == [
        "method           W2  steps",
        "-----------  ------  -----",
        "DGflow (KL)  0.5000     25",
        "DOT               –    100",
    ]


def test_markdown_has_bars_and_alignment() -> None:
    table = format_table(["a", "b", "long"], [["x", 1, 2.5]], markdown=True)
    assert table.splitlines() == ["| a  |  b |  long |", "| -- | -: | ----: |", "| x  |  1 | 2.500 |"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-2750.4, "-2750"),
        (98.25, "98.25"),
        (20.0, "20.00"),
        (3.855e-5, "3.855e-05"),
        (123456.0, "123456"),
        (7, "7"),
        (-4.63e64, "-4.630e+64"),
    ],
)
def test_numbers_are_readable(value: float, text: str) -> None:
    assert format_table(["v", "w"], [["", value]]).split()[-1] == text


def test_change_is_relative_to_before() -> None:
    labels = {"frechet": "FD", "kid": "KID", "recall": "recall", "score": "score"}
    before = {"frechet": 20.0, "kid": -0.5, "recall": None, "score": -2.0}
    table = before_after_table(before, {"frechet": 15.0, "kid": None, "recall": None, "score": -1.0}, labels)
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()[2:]}
    assert rows == {
        "FD": ["20.00", "15.00", "-25.0", "%"],
        "KID": ["-0.5000", "–", "–"],
        "score": ["-2.000", "-1.000", "+50.0", "%"],
    }


def test_samples_that_blew_up_do_not_blow_up_the_table() -> None:
    table = before_after_table({"w2": 0.5}, {"w2": 5e29}, {"w2": "W2"})
    assert table.splitlines()[-1] == "W2      0.5000  5.000e+29  +1.0e+32 %"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        format_table(["a", "b"], [["x"]])
