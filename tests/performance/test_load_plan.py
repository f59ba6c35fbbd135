"""What a load sends, and when: plans, prompts, phases, due times, ranks."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from support.errors import SettingsError
from support.performance.load.arrivals import Phases, due_times
from support.performance.load.clock import SECOND
from support.performance.load.plan import LoadPlan
from support.performance.load.prompts import Conversation, Prompts, RequestMaker
from support.performance.load.record import Phase
from support.performance.load.trace import TracedRequest, read_trace
from support.performance.percentiles import nearest_rank

URL = "http://127.0.0.1"
CLOSED = LoadPlan(URL, "m", users=2, requests=3)
WARM_UP, MEASURED, COOL_DOWN = Phase.WARM_UP, Phase.MEASURED, Phase.COOL_DOWN


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"users": 1, "rate": 1.0, "requests": 1}, "either users .* a rate .* or a trace"),
        ({"requests": 1}, "either users .* a rate .* or a trace"),
        ({"users": 1}, "needs an end"),
        ({"users": -1, "requests": 1}, "users of a load is below zero"),
        ({"users": 1, "requests": 1, "output_tokens": 0}, "output_tokens of a load has to be above zero"),
        ({"users": 1, "requests": 1, "api": "soap"}, "api of a load is 'soap'; choose openai, ollama"),
        ({"url": "ftp://127.0.0.1", "users": 1, "requests": 1}, "an http:// or https:// URL"),
        ({"trace": (TracedRequest(0, 1, 1),), "requests": 1}, "a trace is sent as a whole"),
        ({"rate": 1.0, "requests": 1, "arrivals": "ramp"}, "a ramp needs a rate and the seconds"),
        ({"rate": 1.0, "requests": 1, "turns": 2}, "only the users of a closed loop have conversations"),
        ({"users": 1, "requests": 1, "turns": 0}, "turns of a load has to be above zero"),
        ({"users": 1, "requests": 1, "cancelled_share": 1.0}, "from 0 to below 1"),
    ],
)
def test_a_wrong_plan_is_rejected_in_one_line(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        LoadPlan(**{"url": URL, "model": "m", **fields})
    assert "\n" not in str(caught.value)


def test_a_plan_is_the_same_after_json_and_its_key_is_not_shown() -> None:
    plan = LoadPlan(URL, "m", users=2, requests=3, key="top-secret", extra={"ignore_eos": True})
    assert LoadPlan.from_json(plan.to_json()) == plan
    assert "top-secret" not in repr(plan)
    with pytest.raises(SettingsError, match="a load has no 'colour'"):
        LoadPlan.from_json('{"colour": 1}')


def test_prompts_differ_from_their_first_word_on() -> None:
    maker = Prompts(seed=None)
    first = [maker.next(5) for _ in range(50)]
    other = [maker.next(5) for _ in range(50)]
    assert len({prompt.split()[0] for prompt in first + other}) == 100
    assert {len(prompt.split()) for prompt in first} == {5}


def test_a_seed_repeats_prompts_but_not_their_salt() -> None:
    def parts(seed: int) -> tuple[list[str], list[str]]:
        maker = Prompts(seed)
        found = [maker.next(5).partition(" ") for _ in range(9)]
        return [salt for salt, _, _ in found], [words for _, _, words in found]

    (salts, words), (other_salts, same_words), (_, other_words) = parts(1), parts(1), parts(2)
    assert words == same_words
    assert words != other_words
    assert not set(salts) & set(other_salts)


def test_a_salt_and_a_seed_repeat_whole_prompts() -> None:
    def repeated(salt: str) -> list[str]:
        maker = Prompts(1, salt)
        return [maker.next(5) for _ in range(9)]

    first, again, other = map(repeated, ("round 1", "round 1", "round 2"))
    assert first == again
    assert not set(first) & set(other)
    assert len({prompt.split()[0] for prompt in first}) == 9


def test_a_prefix_is_the_same_in_each_prompt_of_a_run_and_in_no_other() -> None:
    def parts(salt: str | None) -> tuple[set[str], set[str]]:
        """The first seven words, and the eighth."""
        maker = Prompts(1, salt, prefix_words=7)
        found = [maker.next(5).split(" ") for _ in range(9)]
        assert {len(words) for words in found} == {12}
        return {" ".join(words[:7]) for words in found}, {words[7] for words in found}

    (prefix, salts), (other, _) = parts(None), parts(None)
    assert (len(prefix), len(salts)) == (1, 9)
    assert not prefix & other
    assert parts("round 1") == parts("round 1")


@pytest.mark.parametrize(
    ("api", "path", "limit"),
    [
        ("openai", "/base/v1/chat/completions", {"max_tokens": 7, "stream_options": {"include_usage": True}}),
        ("ollama", "/base/api/chat", {"options": {"num_predict": 7}}),
    ],
)
def test_a_request_is_whole_bytes(api: Any, path: str, limit: dict[str, Any]) -> None:
    plan = LoadPlan(
        f"{URL}/base/",
        "m",
        api=api,
        users=1,
        requests=1,
        output_tokens=7,
        key="k",
        system="Be short.",
        extra={"ignore_eos": True},
    )
    head, _, body = next(RequestMaker(plan).requests()).data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST {path} HTTP/1.1"
    assert {"Host: 127.0.0.1", "Authorization: Bearer k", f"Content-Length: {len(body)}"} <= set(lines)
    document = json.loads(body)
    assert (document["model"], document["stream"], document["ignore_eos"]) == ("m", True, True)
    assert limit.items() <= document.items()
    assert document["messages"][0] == {"role": "system", "content": "Be short."}


def test_a_closed_loop_is_handed_over_without_draining() -> None:
    phases = Phases(CLOSED, start=0)
    assert [phases.next(0), phases.next(0)] == [WARM_UP, WARM_UP]
    phases.end(WARM_UP, user=0)
    # The other user has not ended its first request.
    assert phases.next(1) is WARM_UP
    phases.end(WARM_UP, user=1)
    assert [phases.next(2), phases.next(2), phases.next(2)] == [MEASURED] * 3
    # All are issued; the load stays until they have ended.
    assert phases.next(3) is COOL_DOWN
    for _ in range(3):
        assert phases.next(3) is COOL_DOWN
        phases.end(MEASURED, user=0)
    assert phases.next(4) is None


def test_the_end_may_be_a_time_and_warm_up_at_least_a_time() -> None:
    plan = LoadPlan(URL, "m", rate=1.0, seconds=2.0, warm_up_seconds=1.0)
    phases = Phases(plan, start=0)
    found = [phases.next(round(at * SECOND)) for at in (0, 0.9, 1, 2.9, 3, 9)]
    assert found == [WARM_UP, WARM_UP, MEASURED, MEASURED, COOL_DOWN, COOL_DOWN]


def test_due_times_are_absolute_and_those_of_a_seed_are_repeated() -> None:
    constant = LoadPlan(URL, "m", rate=4.0, requests=1)
    assert list(itertools.islice(due_times(constant), 3)) == [0, SECOND // 4, SECOND // 2]
    poisson = LoadPlan(URL, "m", rate=100.0, requests=1, arrivals="poisson", seed=5)
    due = list(itertools.islice(due_times(poisson), 2001))
    assert due == list(itertools.islice(due_times(poisson), 2001))
    assert due == sorted(due)
    gaps = [after - before for before, after in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    # Of an exponential distribution they are equal. This seed's are; the tolerance is that of 2 000 samples.
    assert mean == pytest.approx(SECOND / 100, rel=0.1)
    assert deviation == pytest.approx(mean, rel=0.1)


def test_a_ramp_rises_evenly_and_stays() -> None:
    plan = LoadPlan(URL, "m", rate=10.0, seconds=4.0, arrivals="ramp")
    due = [each / SECOND for each in itertools.islice(due_times(plan), 51)]
    # Half the final rate on average: 20 requests in 4 seconds, a quarter of them in the first half.
    assert due[0] == 0
    assert due[20] == pytest.approx(4)
    assert sum(each < 2 for each in due) == pytest.approx(5, abs=1)
    assert [round(after - before, 3) for before, after in itertools.pairwise(due[20:])] == [0.1] * 30


def test_a_trace_has_its_own_times_and_lengths(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(
        '{"timestamp": 27500, "input_length": 5, "output_length": 2, "hash_ids": [1]}\n\n'
        '{"timestamp": 27000, "input_length": 3, "output_length": 9}\n'
    )
    plan = LoadPlan(URL, "m", trace=read_trace(file))
    assert list(due_times(plan)) == [0, SECOND // 2]
    requests = list(RequestMaker(plan).requests())
    assert [request.output_tokens for request in requests] == [9, 2]
    bodies = [json.loads(request.data.partition(b"\r\n\r\n")[2]) for request in requests]
    assert [len(body["messages"][0]["content"].split()) for body in bodies] == [3, 5]
    assert [body["max_tokens"] for body in bodies] == [9, 2]
    assert LoadPlan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no request"),
        ('{"timestamp": 1, "input_length": 5', "line 1: no JSON"),
        ("[1, 2, 3]", "line 1: no object with timestamp, input_length, output_length"),
        ('{"timestamp": 1, "input_length": 5}', "line 1: output_length has to be a number"),
        (
            '{"timestamp": -1, "input_length": 5, "output_length": 2}',
            "timestamp has to be a number, 0 or above",
        ),
        ('{"timestamp": 1, "input_length": 0, "output_length": 2}', "input_length has to be a whole number"),
        (
            '{"timestamp": 1, "input_length": 1.5, "output_length": 2}',
            "input_length has to be a whole number",
        ),
        ('{"timestamp": true, "input_length": 1, "output_length": 2}', "timestamp has to be a number"),
        ('{"timestamp": 1e999, "input_length": 1, "output_length": 2}', "timestamp has to be a number"),
        ("\n\n\n{}", "line 4: timestamp has to be a number"),
    ],
)
def test_a_wrong_trace_is_rejected_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        read_trace(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_trace(tmp_path / "none.jsonl")


def test_a_conversation_repeats_what_was_said() -> None:
    plan = LoadPlan(URL, "m", users=1, requests=1, turns=2, prompt_words=2)
    conversation = Conversation(RequestMaker(plan))

    def roles() -> list[str]:
        request = conversation.next_request()
        document = json.loads(request.data.partition(b"\r\n\r\n")[2])
        return [str(request.turn), *(message["role"] for message in document["messages"])]

    assert roles() == ["1", "user"]
    conversation.add_answer("one")
    assert roles() == ["2", "user", "assistant", "user"]
    # Another one; and one more after an answer that failed.
    assert roles() == ["1", "user"]
    conversation.add_answer(None)
    assert roles() == ["1", "user"]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert [nearest_rank([30, 10, 20], share) for share in (0, 33, 50, 67, 100)] == [10, 10, 20, 30, 30]
    assert math.isnan(nearest_rank([], 50))
