"""Thoughts and calls in a text that comes in pieces of any size."""

from __future__ import annotations

import json

import pytest

from support.bundled.ollama_gateway.answer_text import Markup

CALL = '<tool_call>{"name": "look", "arguments": {"at": "<b>"}}</tool_call>'


def taken(text: str, size: int, *, thinks: bool = True, calls: bool = True) -> tuple[str, str, list[str]]:
    """Text, thought and called names of a text that comes in pieces of so many characters."""
    markup = Markup(thinks=thinks, calls=calls)
    parts = [markup.feed(text[at : at + size]) for at in range(0, len(text), size)] + [markup.flush()]
    said, thought = ("".join(part[number] for part in parts) for number in (0, 1))
    return said, thought, [call["function"]["name"] for call in markup.calls]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain < text", ("plain < text", "", [])),
        ("  plain", ("  plain", "", [])),
        ("<think>\nhm\n</think>\n\nyes", ("yes", "hm", [])),
        ("\n<think>hm</think>yes </think>", ("yes </think>", "hm", [])),
        ("no <think>hm</think>", ("no <think>hm</think>", "", [])),
        ("<think>never ending", ("", "never ending", [])),
        (CALL, ("", "", ["look"])),
        (f"{CALL}\n{CALL}", ("", "", ["look", "look"])),
        (f"I will. {CALL} Done.", ("I will. Done.", "", ["look"])),
        (f"<think>call it</think>{CALL}", ("", "call it", ["look"])),
        ("<tool_call>none</tool_call>", ("<tool_call>none</tool_call>", "", [])),
        ('<tool_call>{"name": 5}</tool_call>', ('<tool_call>{"name": 5}</tool_call>', "", [])),
        ("<tool_call>cut", ("<tool_call>cut", "", [])),
        ("almost <tool_cal", ("almost <tool_cal", "", [])),
    ],
)
def test_markup_is_taken_out_wherever_pieces_end(
    text: str, expected: tuple[str, str, list[str]], size: int
) -> None:
    said, thought, calls = taken(text, size)
    # White space at the end of a thought is only known to be one when it ends.
    assert (said, thought.rstrip(), calls) == expected


def test_without_tools_and_thoughts_all_is_text() -> None:
    text = f"<think>hm</think>{CALL}"
    assert taken(text, 3, thinks=False, calls=False) == (text, "", [])


def test_calls_have_openais_form_and_an_id_each() -> None:
    markup = Markup(thinks=False, calls=True)
    markup.feed(CALL * 2)
    assert [json.loads(call["function"]["arguments"]) for call in markup.calls] == [{"at": "<b>"}] * 2
    assert [call["index"] for call in markup.calls] == [0, 1]
    assert len({call["id"] for call in markup.calls}) == 2
