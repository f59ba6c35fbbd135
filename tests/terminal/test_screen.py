"""The screen in memory: it shows what xterm would, and nothing that it is fed can break it."""

from __future__ import annotations

import random

import pytest

from support.terminal.screen import Screen


def test_a_screen_shows_and_remembers_what_was_scrolled_out() -> None:
    screen = Screen(rows=3, columns=20)
    screen.feed(b"\r\n".join(b"row %d" % number for number in range(6)))
    assert screen.text == "row 3\nrow 4\nrow 5"
    assert screen.whole_text == "row 0\nrow 1\nrow 2\nrow 3\nrow 4\nrow 5"
    assert (screen.before_cursor, screen.line_feeds) == ("row 5", 5)


def test_escape_sequences_act_on_the_screen_only() -> None:
    screen = Screen()
    screen.feed(b"wrong\r\x1b[K\x1b[31mright\x1b[0m\x1b]0;a title\x07")
    assert screen.text == "right"
    assert screen.unrestored_modes() == []


def test_characters_of_many_bytes_may_come_in_parts() -> None:
    screen = Screen()
    for byte in "東京 é 🌊".encode():
        screen.feed(bytes([byte]))
    assert screen.text == "東京 é 🌊"


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (b"\x1b[?25l", "mode ?25 is off"),
        (b"\x1b[?2004h", "mode ?2004 is on"),
        (b"\x1b[?1049h", "mode ?1049 is on"),
        (b"\x1b[2;5r", "only a part of the screen scrolls"),
        (b"\x1b[31m", "text goes on in colour or style"),
    ],
)
def test_what_is_left_behind_is_told(left: bytes, told: str) -> None:
    screen = Screen()
    assert screen.unrestored_modes() == []
    screen.feed(b"text" + left)
    assert screen.unrestored_modes() == [told]


def test_a_line_editor_is_known_by_its_bracketed_paste() -> None:
    screen = Screen()
    assert screen.awaits_line
    screen.feed(b"\x1b[?2004h> ")
    assert screen.awaits_line
    screen.feed(b"\x1b[?2004l\r\n> ")
    assert not screen.awaits_line


def test_no_sequence_breaks_the_screen() -> None:
    """What follows a sequence that pyte cannot take is shown all the same."""
    dice = random.Random(6)
    for _ in range(300):
        screen = Screen(rows=5, columns=20)
        body = "".join(dice.choice("0123456789;?>! $mhlJKHrABCDLMPX@cnq") for _ in range(dice.randrange(9)))
        screen.feed(f"\x1b[{body}".encode() + dice.randbytes(4))
        screen.feed(b"\x18\x1bc\r\nstill here")
        assert "still here" in screen.text, repr(body)


def test_texts_hold_no_control_characters() -> None:
    screen = Screen()
    screen.feed("a\x00b\x9b31mc\u202ed".encode() + b"\x1b[2J\xff\x07 end")
    assert not [sign for sign in screen.whole_text if ord(sign) < 32 and sign != "\n"]


def test_a_wide_character_of_which_one_half_is_overwritten_is_shown() -> None:
    screen = Screen()
    screen.feed("a你b".encode() + b"\x1b[1;2Hx")
    assert screen.text == "axb"
    screen.feed("\x1b[1;1H好".encode())
    assert screen.text == "好b"
