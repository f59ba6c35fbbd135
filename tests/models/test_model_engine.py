"""The models on the real engine: exact words, exact counts, and broken files refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.models.broken import CORRUPTIONS, Corruption, write_broken
from support.models.script import Script
from support.models.store import ModelStore
from support.models.verification import ProbeAnswer, engine_version, probe, question
from support.models.verification_worker import ProbeRequest
from tests.models.scripts import row_of, script_of

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(engine_version() is None, reason="the package 'mistralrs' is not installed here"),
]

SCRIPT = Script.standard()
LOOP_TOKENS = 50
BACKTRACE = re.compile(r"\n\s*(?:0: |Stack backtrace)")
ABSOLUTE_PATH = re.compile(r"(?<!\w)/\S+")
FILLER = "The quick brown fox jumps over the lazy dog while nobody looks. "


def talk(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """Messages: user and assistant in turn, after a system message if there is one."""
    roles = ("user", "assistant")
    turns = [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *turns] if system else turns


CONVERSATIONS = {
    **{f"row {row.keyword}": talk(f"Please say {row.keyword} now.") for row in SCRIPT.rows},
    "default": talk("Good morning"),
    "empty": talk(""),
    "capital": talk("Lighthouse"),
    "quotes": talk('"lighthouse"'),
    "brackets": talk("(violin)"),
    "line": talk("first\nglacier\nlast"),
    "apostrophe": talk("the comet's tail"),
    "system": talk("Tell me of the lighthouse", system="You are a pirate."),
    "plain system": talk("Tell me of the lighthouse", system="You are kind."),
    "second turn": talk("My name is Mara.", row_of(SCRIPT, "mara").answer, "What am I called?"),
    "first turn": talk("What am I called?"),
    "change of subject": talk("A story!", row_of(SCRIPT, "story").answer, "Now forget it, pirate"),
    "two markers": talk("the violin and the lighthouse"),
    "two markers turned": talk("the lighthouse and the violin"),
    "unicode prompt": talk("Grüße aus 東京, e\u0301 🌊 ١٢٣ lighthouse ½ ñ"),
    "odd blanks": talk("  \t lighthouse \r\n\n   x  "),
    "digits": talk("12345 lighthouse 67890"),
    "far back": talk("Lighthouse! " + FILLER * 145),
    "far ahead": talk(FILLER * 145 + "Say lighthouse"),
}


def chat(messages: list[dict[str, str]], temperature: float = 0.0) -> ProbeRequest:
    loop = SCRIPT.answer_to("\n".join(message["content"] for message in messages)).loop
    return {"messages": messages, "max_tokens": LOOP_TOKENS if loop else 512, "temperature": temperature}


@pytest.fixture(scope="module", params=["gguf", "safetensors"])
def heard(request: pytest.FixtureRequest, store: ModelStore) -> dict[str, ProbeAnswer]:
    """Every conversation, asked in one process: its answer by name, the last ones at a high temperature."""
    warm = {
        f"warm {name}": chat(CONVERSATIONS[name], 1.5) for name in ("default", "row story", "row unicode")
    }
    questions = {name: chat(messages) for name, messages in CONVERSATIONS.items()} | warm
    said = probe(store.scripted(format=request.param), list(questions.values()))
    assert said.error is None
    return dict(zip(questions, said.answers, strict=True))


def test_every_conversation_is_answered_word_for_word(heard: dict[str, ProbeAnswer]) -> None:
    for name, messages in CONVERSATIONS.items():
        row = SCRIPT.answer_to("\n".join(message["content"] for message in messages))
        if not row.loop:
            assert (name, heard[name].text) == (name, row.answer)
            assert heard[name].finish_reason == "stop"


def test_the_counts_are_exact(heard: dict[str, ProbeAnswer], store: ModelStore) -> None:
    model = store.compiled()
    for name, messages in CONVERSATIONS.items():
        row = model.answer_to(messages)
        said = LOOP_TOKENS if row.loop else len(model.answer_tokens(row)) + 1
        assert (name, heard[name].prompt_tokens) == (name, model.count_prompt(messages))
        assert (name, heard[name].completion_tokens) == (name, said)


def test_the_long_prompts_are_long(heard: dict[str, ProbeAnswer]) -> None:
    assert heard["far back"].prompt_tokens > 3000
    assert heard["far ahead"].prompt_tokens > 3000


def test_a_loop_ends_by_length_only(heard: dict[str, ProbeAnswer]) -> None:
    answer = heard["row forever"]
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == LOOP_TOKENS
    assert (row_of(SCRIPT, "forever").answer * LOOP_TOKENS).startswith(answer.text)


def test_memory_and_system_message_change_the_answer(heard: dict[str, ProbeAnswer]) -> None:
    assert heard["first turn"].text == "You have not told me your name yet."
    assert heard["second turn"].text == "You are Mara, and I will remember it."
    assert heard["system"].text.startswith("Arr, matey!")
    assert heard["plain system"].text.startswith("The lighthouse was lit")


def test_a_temperature_does_not_change_the_words(heard: dict[str, ProbeAnswer]) -> None:
    for name in ("default", "row story", "row unicode"):
        assert heard[f"warm {name}"].text == heard[name].text


def test_a_wider_script_of_many_rows_speaks_too(store: ModelStore) -> None:
    rows = [
        (f"qu{a}{b}{c}", f"{a}{b}{c} says: number {ord(a) * ord(b)}.")
        for a in "bdfgk"
        for b in "aeiou"
        for c in "lmn"
    ]
    script = script_of("Nothing of that.", rows)
    questions = [
        question(f"{early[0]} and {late[0]}") for early, late in zip(rows[::7], rows[1::7], strict=False)
    ]
    said = probe(store.scripted(script), questions)
    assert [answer.text for answer in said.answers] == [rows[place][1] for place in range(1, len(rows), 7)]


def test_a_ggml_model_loads(store: ModelStore) -> None:
    files = store.scripted(format="ggml")
    assert probe(files, ()).loaded


def is_named(message: str, kind: Corruption) -> bool:
    """Whether an error contains one of the words; its backtrace and absolute paths do not count."""
    text = ABSOLUTE_PATH.sub(" ", BACKTRACE.split(message)[0]).lower()
    return any(word in text for word in kind.words)


@pytest.mark.parametrize("kind", CORRUPTIONS.values(), ids=lambda kind: kind.name)
def test_a_broken_model_is_refused_and_the_reason_is_named(tmp_path: Path, kind: Corruption) -> None:
    refused = probe(write_broken(kind, tmp_path), ())
    assert not refused.loaded
    assert refused.error is not None
    assert is_named(refused.error, kind), refused.error


def test_an_engine_that_takes_too_long_is_ended(store: ModelStore) -> None:
    said = probe(store.scripted(), [question("forever", 100_000)], timeout=0.02)
    assert said.error == "no end after 0.02 s"
