"""Routes: each form asks the same thing, and every difference between answers is noticed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from support.chat import checks
from support.chat.client import (
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    OPENAI_CHAT,
    Answer,
    ChatEndpoint,
    ChatRequest,
)
from support.chat.scenario import ComparedAnswers
from support.models.llama import chat_prompt
from tests.conformance.samples import chat, exchange
from tests.http.tiny_server import Reply, TinyServer, json_reply
from tests.timeouts import PATIENCE

Serve = Callable[[Reply], TinyServer]
QUESTION = {"role": "user", "content": "Tell me about the comet"}
TALK = ChatRequest((QUESTION,), limit=7, stop=("years",))
PAST = ChatRequest(({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}, QUESTION))


def said(route: str, text: str = "Yes.", **fields: Any) -> Answer:
    return dataclasses.replace(Answer(route, text, "stop", 5, 2, exchange(b"{}")), **fields)


def answers(*whole: Answer, streamed: tuple[Answer, ...] = ()) -> ComparedAnswers:
    return ComparedAnswers(TALK, whole, streamed or whole)


def test_each_form_asks_for_the_same() -> None:
    openai, native, text = (
        form.build_request(TALK, "tiny", stream=True) for form in (OPENAI_CHAT, OLLAMA_CHAT, OLLAMA_GENERATE)
    )
    assert (openai["max_tokens"], openai["stop"], openai["temperature"]) == (7, ["years"], 0)
    assert openai["stream_options"] == {"include_usage": True}
    assert native["options"] == text["options"] == {"temperature": 0, "num_predict": 7, "stop": ["years"]}
    assert openai["messages"] == native["messages"] == [QUESTION]
    assert text["prompt"] == QUESTION["content"] and "raw" not in text


def test_a_text_with_a_past_goes_as_its_template_writes_it() -> None:
    request = OLLAMA_GENERATE.build_request(PAST, "tiny", stream=False)
    assert (request["prompt"], request["raw"]) == (chat_prompt(PAST.messages), True)


def test_a_system_message_of_a_text_has_its_own_field() -> None:
    talk = ChatRequest(({"role": "system", "content": "You are a pirate."}, QUESTION))
    request = OLLAMA_GENERATE.build_request(talk, "tiny", stream=False)
    assert (request["system"], request["prompt"]) == ("You are a pirate.", QUESTION["content"])


def test_an_answer_is_read_whatever_its_form(serve: Serve) -> None:
    ollama = {"message": {"content": "Yes."}, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2}
    for form, document in ((OPENAI_CHAT, chat("Yes.")), (OLLAMA_CHAT, ollama)):
        got = ChatEndpoint("toy", serve(json_reply(document)).url, "tiny", form).ask(TALK, timeout=PATIENCE)
        assert (got.text, got.finish_reason, got.counts) == ("Yes.", "stop", (5, 2))


def test_a_refusal_is_no_answer(serve: Serve) -> None:
    server = serve(json_reply({"error": "no"}, "404 Not Found"))
    with pytest.raises(AssertionError, match=r"status: expected 200, got 404(?s:.*)endpoint: toy"):
        ChatEndpoint("toy", server.url, "tiny", OPENAI_CHAT).ask(TALK, timeout=PATIENCE)


def test_equal_answers_pass() -> None:
    both = answers(said("one"), said("two"))
    both.require_same_counts()
    both.require_same_streams()
    checks.check_same_text(both.whole)


def test_another_text_is_detected() -> None:
    with pytest.raises(AssertionError, match="the texts differ") as caught:
        checks.check_same_text([said("one"), said("two"), said("three", text="No.")])
    assert "three: expected the same 'Yes.', got 'No.'\n  one, two: 'Yes.'" in str(caught.value)


@pytest.mark.parametrize("fields", [{"prompt_tokens": 6}, {"answer_tokens": None}])
def test_another_count_is_detected(fields: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="token counts"):
        answers(said("one"), said("two", **fields)).require_same_counts()


def test_counts_of_zero_are_not_equal_counts() -> None:
    with pytest.raises(AssertionError, match="nothing was counted"):
        answers(said("one", prompt_tokens=0), said("two", prompt_tokens=0)).require_same_counts()


def test_a_stream_with_another_text_is_detected() -> None:
    with pytest.raises(AssertionError, match="stream and non-streamed answer of one"):
        answers(said("one"), streamed=(said("one", "Yes"),)).require_same_streams()


def test_the_error_names_the_endpoint() -> None:
    with pytest.raises(AssertionError, match="the answer of two"):
        checks.check_text(said("two", "No."), "Yes.")
    with pytest.raises(AssertionError, match="two: expected the finish reason 'length'"):
        checks.check_finish([said("two")], "length")


def test_one_answer_is_nothing_to_compare() -> None:
    with pytest.raises(AssertionError, match="nothing to compare"):
        answers(said("one")).require_same_counts()
