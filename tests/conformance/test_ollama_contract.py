"""The Ollama contract refuses each defect that its official client lets through, and names the layer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.conformance.contract import CLOCK_SLACK_SECONDS
from support.conformance.oracles import ollama as oracle
from support.conformance.oracles.ollama import CONTRACTS, OLLAMA, normalize, unix_seconds
from support.conformance.response_parser import ConformanceError, ParsedResponse, parse
from tests.conformance import samples
from tests.conformance.samples import exchange

NOW = datetime.fromtimestamp(samples.NOW, UTC).isoformat().replace("+00:00", "Z")
METRICS = {
    "done_reason": "stop",
    "total_duration": 9_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 12,
    "prompt_eval_duration": 2_000_000,
    "eval_count": 3,
    "eval_duration": 5_000_000,
}
DETAILS = samples.OLLAMA_DETAILS
ENTRY = {"name": "tiny:latest", "model": "tiny:latest", "size": 5, "digest": "a" * 64, "details": DETAILS}
# What /api/show has to have: docs/api.md, "Show Model Information"; the keys are those of the GGUF format.
INFO = {"general.architecture": "llama", "llama.context_length": 1}
SHOW = {"details": DETAILS, "model_info": INFO, "capabilities": ["completion"], "modified_at": NOW}


def generate(**fields: Any) -> dict[str, Any]:
    head = {"model": "tiny", "created_at": NOW, "response": "Hello you", "done": True}
    return {**head, **METRICS, "context": [1, 2], **fields}


def chat(**fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hello you"}
    return {"model": "tiny", "created_at": NOW, "message": message, "done": True, **METRICS, **fields}


def lines(*texts: str, **last: Any) -> list[dict[str, Any]]:
    head = {"model": "tiny", "created_at": NOW}
    pieces = [{**head, "response": text, "done": False} for text in texts]
    return [*pieces, {**head, "response": "", "done": True, **METRICS, "context": [1], **last}]


def whole(document: Any) -> ParsedResponse:
    return parse(exchange(json.dumps(document).encode()), "json", ends_with_done=False)


def stream(documents: list[dict[str, Any]]) -> ParsedResponse:
    body = "".join(f"{json.dumps(document)}\n" for document in documents).encode()
    return parse(exchange(body, content_type="application/x-ndjson"), "ndjson", ends_with_done=False)


def check(contract: str, document: Any) -> None:
    CONTRACTS[contract].check(stream(document) if contract.endswith("stream") else whole(document))


def tags(**fields: Any) -> dict[str, Any]:
    return {"models": [{**ENTRY, "modified_at": NOW, **fields}]}


def ps(**fields: Any) -> dict[str, Any]:
    return {"models": [{**ENTRY, "expires_at": NOW, "size_vram": 0, "context_length": 4096, **fields}]}


def show(**model_info: Any) -> dict[str, Any]:
    """With these values in the details of its model file."""
    return {**SHOW, "model_info": {**INFO, **model_info}}


def embed(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "embeddings": [[0.6, 0.8]], "total_duration": 900_000, **fields}


# The sample responses were complete 0.2 s after their request.
LONG_ENOUGH, TOO_LONG = 250_000_000, 260_000_000
TIMED: dict[str, Callable[..., Any]] = {
    "generate": generate,
    "generate stream": lambda **fields: lines("a", **fields),
    "chat": chat,
    "chat stream": lambda **fields: [chat(**fields)],
    "embed": embed,
}
TOOL = {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}
GOOD: list[tuple[str, Any]] = [
    ("generate", generate()),
    (
        "generate",
        generate(
            thinking="Well", logprobs=[{"token": "Hello you", "logprob": -0.5, "bytes": [*b"Hello you"]}]
        ),
    ),
    # A token that is a part of a character: its bytes are no text.
    (
        "generate",
        generate(response="\ufffd", logprobs=[{"token": "\ufffd", "logprob": -0.5, "bytes": [226]}]),
    ),
    ("generate stream", lines("Hello", " you")),
    ("generate stream", lines(done_reason="length")),
    (
        "generate load",
        {"model": "tiny", "created_at": NOW, "response": "", "done": True, "done_reason": "load"},
    ),
    ("chat", chat()),
    ("chat", chat(message={"role": "assistant", "content": "", "tool_calls": [TOOL]})),
    (
        "embed",
        {"model": "tiny", "embeddings": [[0.6, 0.8]], "total_duration": 900_000, "prompt_eval_count": 1},
    ),
    ("embed", {"model": "tiny", "embeddings": []}),
    *((contract, make(total_duration=LONG_ENOUGH)) for contract, make in TIMED.items()),
    ("embeddings", {"embedding": [3.0, 4.0]}),
    ("tags", tags()),
    ("tags", {"models": []}),
    ("ps", ps()),
    ("ps", ps(size_vram=ENTRY["size"])),
    ("show", SHOW),
    ("version", {"version": "0.17.4"}),
    ("progress stream", [{"status": "writing manifest"}, {"status": "success"}]),
    ("failing stream", [{"status": "pulling manifest"}, {"error": "no such host"}]),
    ("error", {"error": "model 'x' not found"}),
]


@pytest.mark.parametrize(
    ("contract", "document"), GOOD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_good_answer_is_kept(contract: str, document: Any) -> None:
    check(contract, document)


WRONG: list[tuple[str, Callable[[], Any], str, str]] = [
    ("generate", lambda: generate(eval_count="3"), "official type", "eval_count"),
    ("generate", lambda: generate(total_duration=0.5), "official type", "total_duration"),
    ("generate", dict, "contract", "model"),
    ("generate", lambda: generate(error="boom"), "contract", "error"),
    ("generate", lambda: generate(created_at="yesterday"), "contract", "created_at"),
    ("generate", lambda: generate(created_at="2020-01-01T00:00:00Z"), "contract", "present time"),
    ("generate", lambda: generate(total_duration=9), "contract", "total_duration"),
    ("generate", lambda: generate(load_duration=-1), "contract", "load_duration"),
    ("generate", lambda: generate(done_reason="done"), "contract", "done_reason"),
    ("generate", lambda: generate(done=False), "contract", "done"),
    ("generate", lambda: generate(eval_duration=90_000_000), "invariants", "longer than the whole"),
    (
        "generate",
        lambda: generate(logprobs=[{"token": "Hello you", "logprob": 1.05, "bytes": []}]),
        "contract",
        "logprob",
    ),
    (
        "generate",
        lambda: generate(logprobs=[{"token": "Hi", "logprob": -1.0, "bytes": [72]}]),
        "contract",
        "are not those of 'Hi'",
    ),
    (
        "generate",
        lambda: generate(logprobs=[{"token": "Hi", "logprob": -1.0, "bytes": [72, 105]}]),
        "invariants",
        "are not the text",
    ),
    ("generate stream", lambda: lines("a")[:-1], "invariants", "`done` is true"),
    ("generate stream", lambda: [*lines("a"), *lines("b")], "invariants", "`done` is true"),
    (
        "generate stream",
        lambda: [{**lines("a")[0], "eval_count": 1}, lines()[-1]],
        "invariants",
        "already has eval_count",
    ),
    (
        "generate stream",
        lambda: [lines("a")[0], {**lines()[-1], "model": "other"}],
        "invariants",
        "the model changes",
    ),
    ("generate stream", lambda: lines("a", eval_count=None), "invariants", "lacks eval_count"),
    ("generate stream", lambda: [{"error": "boom"}], "contract", "model"),
    ("generate load", lambda: generate(response="", done_reason="load"), "contract", "unknown fields"),
    ("chat", lambda: chat(message={"role": "user", "content": "x"}), "contract", "role"),
    (
        "chat",
        lambda: chat(
            message={
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
            }
        ),
        "official type",
        "arguments",
    ),
    (
        "chat",
        lambda: chat(message={"role": "assistant", "content": "", "tool_calls": [TOOL, TOOL]}),
        "invariants",
        "numbered",
    ),
    ("embed", lambda: {"model": "tiny", "embeddings": [[3.0, 4.0]]}, "invariants", "has length 5"),
    ("embed", lambda: {"model": "tiny", "embeddings": [[0.6, 0.8], [1.0]]}, "invariants", "different sizes"),
    *(
        (
            contract,
            lambda make=make: make(total_duration=TOO_LONG),
            "invariants",
            "but the response took 0.200 s",
        )
        for contract, make in TIMED.items()
    ),
    ("embed", lambda: embed(load_duration=9_000_000), "invariants", "longer than the whole"),
    ("embed", lambda: {"model": "tiny", "embeddings": [[]]}, "contract", "embeddings"),
    ("tags", lambda: {"models": None}, "official type", "models"),
    (
        "tags",
        lambda: tags(digest="sha256:aa"),
        "contract",
        "digest",
    ),
    ("tags", lambda: tags(name="tiny"), "contract", "name"),
    ("tags", lambda: tags(name="other:latest"), "contract", "'other:latest' of the model 'tiny:latest'"),
    ("tags", lambda: tags(details={**DETAILS, "families": ["clip"]}), "contract", "'llama' is not among"),
    ("tags", lambda: {"models": tags()["models"] * 2}, "contract", "listed twice"),
    ("ps", lambda: ps(expires_at="soon"), "official type", "expires_at"),
    ("ps", lambda: ps(size_vram=6), "contract", "size_vram 6 is more than the size of 5"),
    ("ps", lambda: ps(model="other:latest"), "contract", "'tiny:latest' of the model 'other:latest'"),
    (
        "show",
        lambda: {**SHOW, "model_info": dict.fromkeys("fedcba", 1)},
        "contract",
        "names no architecture: .'a', 'b', 'c', 'd', 'e'.$",
    ),
    ("show", lambda: show(**{"general.architecture": ""}), "contract", "no architecture"),
    (
        "show",
        lambda: show(**{"general.architecture": 5, "5.context_length": 1}),
        "contract",
        "no architecture",
    ),
    ("show", lambda: show(**{"general.architecture": "phi"}), "contract", "context length of 'phi': None"),
    ("show", lambda: show(**{"llama.context_length": 0}), "contract", "context length of 'llama': 0"),
    ("show", lambda: show(**{"llama.context_length": "8"}), "contract", "context length of 'llama': '8'"),
    ("show", lambda: show(**{"llama.context_length": True}), "contract", "context length of 'llama': True"),
    ("version", lambda: {"version": "0.17.4", "name": "x"}, "contract", "name"),
    ("version", lambda: {"version": "new"}, "contract", "version"),
    ("progress stream", lambda: [{"status": "success"}, {"status": "more"}], "invariants", "success"),
    ("failing stream", lambda: [{"error": "x"}, {"status": "y"}], "invariants", "errors in the lines"),
    ("failing stream", lambda: [{}], "contract", ": a line has either a status or an error$"),
    ("failing stream", lambda: [{"status": "y", "error": "x"}], "contract", "a status or an error"),
    ("error", lambda: {"error": {"message": "x"}}, "contract", "error"),
    ("error", lambda: {"error": ""}, "contract", "error"),
]


@pytest.mark.parametrize(
    ("contract", "make", "layer", "words"), WRONG, ids=[f"{row[0]}-{row[3]}" for row in WRONG]
)
def test_a_defect_is_refused_in_its_layer(
    contract: str, make: Callable[[], Any], layer: str, words: str
) -> None:
    with pytest.raises(ConformanceError, match=words) as caught:
        check(contract, make())
    assert caught.value.layer == layer


def test_a_view_is_the_same_for_a_stream_and_the_whole() -> None:
    one, other = normalize(stream(lines("Hello", " you"))), normalize(whole(generate()))
    for name in ("text", "finish_reason", "usage", "tool_calls"):
        assert one[name] == other[name]
    assert one["pieces"] == 2


def test_a_view_gathers_thoughts_calls_and_the_other_api() -> None:
    message = {"role": "assistant", "content": "x", "thinking": "Well", "tool_calls": [TOOL]}
    found = normalize(whole(chat(message=message)))
    assert (found["thinking"], found["tool_calls"]) == ("Well", [{"name": "f", "arguments": {"a": 1}}])
    assert normalize(whole({"choices": [{"index": 0, "message": {"content": "y"}}]}))["text"] == "y"
    assert normalize(whole([1, 2]))["text"] == ""


def test_a_view_of_lines_joins_them_and_has_the_counts_of_the_last_one() -> None:
    other = {"id": None, "function": {"name": "g", "arguments": {}}}
    documents: list[Any] = [
        {"message": {"content": "Hel", "thinking": "We", "tool_calls": [TOOL]}, "eval_count": 9},
        {"message": {"content": "lo", "tool_calls": [other, {}]}},
        {"response": "!", "thinking": "ll", "message": 5},
        {"message": {"content": ""}, "done_reason": "stop", "eval_count": 3, "embeddings": [[1.0]]},
    ]
    assert normalize(stream(documents)) == {
        "text": "Hello!",
        "texts": ["Hello!"],
        "thinking": "Well",
        "finish_reason": "stop",
        "usage": {"prompt_eval_count": None, "eval_count": 3},
        "tool_calls": [
            {"name": "f", "arguments": {"a": 1}},
            {"name": "g", "arguments": {}},
            {"name": None, "arguments": None},
        ],
        "call_ids": ["call_1", None, None],
        "calls_with_id": [True, False, False],
        "embeddings": [[1.0]],
        "pieces": 3,
    }


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-11-22T04:15:17.759955948Z", 1795320917.759955),
        ("2026-11-22T05:15:17.7+01:00", 1795320917.7),
        ("2026-11-22T04:15:17Z", 1795320917),
    ],
)
def test_times_with_any_decimals_are_read(moment: str, seconds: float) -> None:
    assert unix_seconds(moment) == seconds


# RFC 3339, 5.6: a time has seconds and a zone. Go's `time.Time` has nine digits of a second at most.
@pytest.mark.parametrize(
    "moment",
    ["2026-11-22", "2026-11-22T04:15Z", "2026-11-22T04:15:17", "2026-11-22T04:15:17.1234567890Z"],
)
def test_a_time_that_go_does_not_write_is_none(moment: str) -> None:
    with pytest.raises(ValueError, match=f"^'{re.escape(moment)}' is no time with a zone"):
        unix_seconds(moment)


def test_what_has_happened_may_be_ahead_by_the_difference_of_two_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = samples.NOW - CLOCK_SLACK_SECONDS
    monkeypatch.setattr(oracle, "time", SimpleNamespace(time=lambda: at))
    check("tags", tags())
    at -= 1
    with pytest.raises(ConformanceError, match=f"contract: models.0.modified_at: {NOW} is in the future"):
        check("tags", tags())


@pytest.mark.parametrize(("total_duration", "seen"), [(10_150_000_000, ""), (10_150_000_001, "10.150 s")])
def test_the_clocks_of_two_machines_may_differ(total_duration: int, seen: str) -> None:
    """By 1 % of the 10 s that the client waited, and by 0.05 s."""
    parsed = whole(generate(total_duration=total_duration))
    parsed = replace(parsed, exchange=replace(parsed.exchange, seconds=10.0))
    expected = pytest.raises(ConformanceError, match=f"{seen}, but the response took 10.000 s")
    with expected if seen else nullcontext():
        CONTRACTS["generate"].check(parsed)


def test_every_contract_is_used_by_a_row_or_a_walk() -> None:
    from support.conformance.case_table import cases_of
    from support.conformance.sequences import ollama

    used = {name for case in cases_of(OLLAMA.name).values() for name in case.contract}
    used |= {f"{name.removesuffix(' stream')}" for name in used}
    text = Path(ollama.__file__).read_text(encoding="utf-8")
    assert not [name for name in CONTRACTS if name not in used and f'"{name}"' not in text]
