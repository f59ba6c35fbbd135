"""Long texts are compared around the place where they part."""

from __future__ import annotations

import pytest

from support.results.safe_text import difference

LONG = "".join(f"line {number} says so\n" for number in range(200))


def test_short_texts_are_shown_whole() -> None:
    assert difference("the answer", "a", "b") == "expected the answer 'a', got 'b'"


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (LONG.replace("line 150 says", "line 150 said"), "(line 151)"),
        (LONG[:-5], f"at character {len(LONG) - 4} (line 200)"),
        (LONG + "more", f"at character {len(LONG) + 1} (line 201)"),
        ("", "at character 1 (line 1)"),
    ],
    ids=["changed", "cut", "longer", "empty"],
)
def test_long_texts_point_at_their_first_difference(got: str, words: str) -> None:
    told = difference("the answer", LONG, got)
    assert words in told
    assert f"{len(LONG)} characters expected, {len(got)} came" in told
    assert len(told) < 500


def test_what_stands_around_the_difference_is_shown() -> None:
    told = difference("it", LONG, LONG.replace("line 150 says", "line 150 said"))
    expected, got = told.splitlines()[1:]
    assert "line 150 says so" in expected and "line 150 said so" in got
