"""The text of a cause: out of a log, and without what differs from one failure to the next."""

from __future__ import annotations

import pytest

from support.errors import CheckFailed, SeveralFailures, cause_of
from support.http.responsiveness import ServerUnresponsive
from support.results.causes import COMPARED_CHARACTERS, comparable, neutral, panic_in, panic_lines, why_ended

PANIC = (
    "2026-11-29T10:00:00.123Z  INFO loading\n"
    "thread 'main' (4711) panicked at src/embedding.rs:100:17:\ncalled `unwrap()` on a `None` value\nnote"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no connection to http://127.0.0.1:41001/v1", "no connection to http://127.0.0.1:9/v1"),
        ("it does not listen on port 41001", "it does not listen on port 52002"),
        ("not within 60.0 s: /tmp/a1/model.gguf", "not within 61.2 s: /var/b2/c3/model.gguf"),
        ("2026-11-29T10:00:00.1Z ERROR no memory", "2026-11-30 11:00:00 ERROR no memory"),
        ("answer chatcmpl-a1b2 is empty", "answer chatcmpl-77 is empty"),
        ("thread 'tokio-1' (12) panicked at a.rs:1:2", "thread 'tokio-2' (99) panicked at a.rs:1:2"),
        ("the texts differ:\n'a' and 'b'\nmore", "\nthe texts differ:\n  'a' and 'b'"),
        ("total_tokens 126 is not 17 + 9", "total_tokens 131 is not 20 + 11"),
        ("expected 17 prompt tokens, got 9", "expected 4 prompt tokens, got 112"),
        ('got 200: {"id":"chat-a","created":17}', 'got 200: {"id":"chat-b","created":18}'),
        ("a server panicked at a.rs:1:2: the len is 3", "a server panicked at a.rs:1:2: the len is 7"),
        ("no model 8f3a9b1c2d", "no model 77aa9b1c2e"),
    ],
)
def test_what_differs_by_run_is_no_other_cause(one: str, other: str) -> None:
    assert comparable(one) == comparable(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("expected 200, got 500", "expected 200, got 404"),
        ("total_tokens 126 is not 17 + 9", "prompt_tokens 126 is not 17 + 9"),
        ("a server died: exit code 1", "a server died: exit code 137"),
        ("no connection ([Errno 111])", "no connection ([Errno 104])"),
        ("mistralrs 0.8.1 does not start", "mistralrs 0.9.2 does not start"),
        ("no route /v1/models", "no route /v2/models"),
        ("expected text 'twenty', got 'ten'", "expected text 'thirty', got 'ten'"),
        ("thread 'main' panicked at a.rs:100:17", "thread 'main' panicked at a.rs:200:17"),
        ("the texts differ:\n'a' and 'b'", "the texts differ:\n'a' and 'c'"),
    ],
)
def test_other_failures_are_other_causes(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


def test_a_panic_has_its_place_and_its_message() -> None:
    panic = "panicked at src/embedding.rs:100:17: called `unwrap()` on a `None` value"
    assert panic_in(PANIC) == why_ended(PANIC) == panic
    assert not panic_in("all is well")
    assert panic_lines(PANIC) == PANIC.splitlines()[1:2]


@pytest.mark.parametrize(
    ("log", "panic"),
    [
        ("panicked at a.rs:1:\nlast", "panicked at a.rs:1: last"),
        ("panicked at a.rs:1:", "panicked at a.rs:1:"),
        ("panicked at a.rs:1\nanother line", "panicked at a.rs:1"),
        ("a panicked at b panicked at c", "panicked at b panicked at c"),
    ],
)
def test_a_panic_is_one_line_or_two(log: str, panic: str) -> None:
    assert panic_in(log) == panic


def test_the_last_error_of_a_log_is_why_it_ended() -> None:
    assert why_ended("error: first\nFatal error: no memory\nbye") == "Fatal error: no memory"


def test_a_text_of_numbers_is_compared_as_it_is() -> None:
    assert neutral("17") == "17"
    assert neutral("17 rows") == neutral("18 rows")


def test_the_beginning_of_a_long_text_is_compared() -> None:
    long = "x" * COMPARED_CHARACTERS
    assert comparable(f"{long}one") == comparable(f"{long}two")
    assert comparable(f"{long[20:]}one") != comparable(f"{long[20:]}two")


@pytest.mark.parametrize(
    ("log", "why"),
    [("Error: no such file\nbye\n", "Error: no such file"), ("a\nb\n\n", "b"), ("", "it wrote nothing")],
)
def test_a_program_ends_for_its_error_or_its_last_line(log: str, why: str) -> None:
    assert why_ended(log) == why


def test_an_error_has_the_cause_of_the_one_that_it_was_raised_from() -> None:
    assert cause_of(SeveralFailures("two", ["a", "b"], "a server died")) == "a server died"
    assert cause_of(ServerUnresponsive("it hangs")) == "it hangs"
    wrapped = CheckFailed("no answer")
    wrapped.__cause__ = ServerUnresponsive("it hangs")
    assert cause_of(wrapped) == "it hangs"
    assert cause_of(CheckFailed("wrong")) == cause_of(None) == ""
