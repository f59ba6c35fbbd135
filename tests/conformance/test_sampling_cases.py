"""The cases about drawing words hold on a right server by more than chance, and notice each broken option."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from support.conformance.case_runner import run_case
from support.conformance.case_table import CASE_FOLDER, Case, read_table
from support.models.categorical import STEP, WORDS
from support.servers.endpoints import Endpoint
from tests.conformance.categorical_server import DiceServer, Draw

TABLES = {api: read_table(api, CASE_FOLDER / api / "sampling.toml", Case) for api in ("openai", "ollama")}
CASES = [case for table in TABLES.values() for case in table.values()]
# A right server fails a case less often than this.
SELDOM = 1e-6


def judged(case: Case, wrong: str = "", seed: int = 1) -> str:
    server = Endpoint("toy", case.api, "http://127.0.0.1:1", {"model": "tiny"})
    result = run_case(DiceServer(wrong, seed), server, case)  # type: ignore[arg-type]
    return "" if result.passed else result.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.api}: {case.title}")
def test_a_right_server_keeps_it(case: Case) -> None:
    assert [judged(case, seed=seed) for seed in range(3)] == [""] * 3


# -- each fault is noticed, by the case that is about it

OPTIONS = {
    "seed": ("openai.sampling.seed.repeatable", "ollama.sampling.seed.same"),
    "temperature": (
        "openai.sampling.temperature.low",
        "ollama.sampling.temperature.low",
    ),
    "top_k": (
        "openai.sampling.top_k.two",
        "ollama.sampling.top_k.one",
    ),
    "top_p": ("openai.sampling.top_p.half", "ollama.sampling.top_p.one_token"),
    "min_p": (
        "openai.sampling.min_p.with_top_p",
        "ollama.sampling.min_p.drops_unlikely",
    ),
    "frequency_penalty": (
        "openai.sampling.frequency_penalty.per_occurrence",
        "ollama.sampling.frequency_penalty.each_time",
    ),
    "presence_penalty": (
        "openai.sampling.presence_penalty.once",
        "ollama.sampling.presence_penalty.once",
    ),
    "repetition_penalty": (
        "openai.sampling.repetition_penalty.divides",
        "ollama.sampling.repeat_penalty.divides",
    ),
    "repeat_last_n": ("", "ollama.sampling.repeat_last_n.window"),
    "logit_bias": ("openai.sampling.logit_bias.minus_100", ""),
}
FAULTS = {
    "all words are equally likely": (
        "openai.sampling.temperature.one",
        "ollama.sampling.temperature.one",
    ),
    "one seed for all": ("openai.sampling.seed.different", "ollama.sampling.seed.different"),
    "no seed zero": ("openai.sampling.seed.zero", "ollama.sampling.seed.zero"),
    "minus one is a seed": ("", "ollama.sampling.seed.minus_one"),
    "a seed makes all choices equal": ("openai.sampling.seed.choices_differ", ""),
    "one draw for all choices": ("openai.sampling.random.choices", ""),
    "no more choices than one": ("openai.sampling.n.above_maximum", ""),
    "temperature zero when left out": (
        "openai.sampling.random.default_temperature",
        "ollama.sampling.random.default_options",
    ),
    "temperature turned round": (
        "openai.sampling.temperature.two",
        "ollama.sampling.temperature.half",
    ),
    "a stream without a seed": (
        "openai.sampling.seed.stream",
        "ollama.sampling.seed.stream",
    ),
    "a stream without penalties": ("openai.sampling.penalties.stream", ""),
    "penalties of greedy answers only": (
        "openai.sampling.presence_penalty.once",
        "ollama.sampling.repeat_penalty.divides",
    ),
    "presence counted each time": (
        "openai.sampling.presence_penalty.once",
        "ollama.sampling.presence_penalty.once",
    ),
    "frequency counted once": (
        "openai.sampling.frequency_penalty.per_occurrence",
        "ollama.sampling.frequency_penalty.each_time",
    ),
    "penalties as rewards": (
        "openai.sampling.penalties.completion",
        "ollama.sampling.repeat_penalty.divides",
    ),
    "common logarithms": (
        "openai.sampling.top_logprobs.natural_log",
        "ollama.sampling.logprobs.known",
    ),
    "logarithms of greedy tokens are zero": (
        "openai.sampling.logprobs.natural_log",
        "",
    ),
    "any value is taken": ("openai.sampling.top_p.negative", ""),
    "zero divides": ("openai.sampling.repetition_penalty.zero", "ollama.sampling.repeat_penalty.zero"),
    "breaks off what repeats itself": (
        "openai.sampling.temperature.repetition",
        "ollama.sampling.repetition.forty_tokens",
    ),
    "fails at next to nothing": (
        "openai.sampling.temperature.near_zero",
        "ollama.sampling.temperature.near_zero",
    ),
    "fails at more candidates than words": ("openai.sampling.top_k.above_vocabulary", ""),
    "fails at a bad value": ("openai.sampling.logit_bias.out_of_range", "ollama.sampling.top_k.negative"),
}


@pytest.mark.parametrize(
    ("wrong", "api", "title"),
    [
        (wrong, api, title)
        for wrong, titles in {**OPTIONS, **FAULTS}.items()
        for api, title in zip(TABLES, titles, strict=True)
        if title
    ],
)
def test_a_fault_is_noticed(wrong: str, api: str, title: str) -> None:
    assert judged(TABLES[api][title], wrong)


def test_every_fault_has_its_case() -> None:
    assert set(FAULTS) == set(DiceServer.FAULTS)


# What is true of a server that has no such option, or of one that draws nothing.
TAME = re.compile(r"known-distribution model is answered|does? no harm|reject")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.api}: {case.title}")
def test_a_case_is_noticed_by_some_fault(case: Case) -> None:
    noticed = any(judged(case, fault) for fault in (*OPTIONS, *FAULTS))
    assert noticed or TAME.search(case.title), "no fault is known that this case notices"


# -- the chances that are told beside the cases


def share(temperature: float, words: Any) -> float:
    """The probability that one of these words is drawn."""
    weights = [math.exp(-STEP * number / temperature) for number in range(len(WORDS))]
    return float(sum(weights[word] for word in words) / sum(weights))


def outside(tries: int, chance: float, least: int, most: int) -> float:
    """The probability that something of this chance happens less or more often than that."""
    return sum(
        math.comb(tries, times) * chance**times * (1 - chance) ** (tries - times)
        for times in range(tries + 1)
        if not least <= times <= most
    )


def drawn(case: Case) -> Draw:
    fields = case.request.json_
    options = {**fields, **fields.get("options", {})}
    names = {"num_predict": "max_tokens", "repeat_penalty": "repetition_penalty"}
    options = {names.get(name, name): value for name, value in options.items()}
    return Draw(**{name: options[name] for name in Draw.__annotations__ if name in options})


COUNTED = [
    (case, pattern, bounds)
    for case in CASES
    for expectation in case.expect
    for pattern, bounds in (expectation.counts or {}).items()
]


@pytest.mark.parametrize(("case", "pattern", "bounds"), COUNTED)
def test_words_are_seldom_outside_of_their_bounds(case: Case, pattern: str, bounds: tuple[int, int]) -> None:
    draw = drawn(case)
    odds = draw.odds([])
    words = [number for number, word in enumerate(WORDS) if re.search(pattern, word)]
    chance = sum(odds[word] for word in words) / sum(odds)
    assert outside(draw.max_tokens, chance, *bounds) < SELDOM / 2


def test_two_answers_are_seldom_equal() -> None:
    by_default = Draw(temperature=0.8, top_p=0.9).odds([])
    most = max(by_default) / sum(by_default)
    for case in CASES:
        if case.repetition is not None and case.repetition.differs and drawn(case).temperature == 1:
            equal = sum(value**2 for value in drawn(case).odds([])) ** drawn(case).max_tokens
            assert equal < 1e-15, case.title
    assert most**20 < 1e-10


def test_a_low_temperature_seldom_draws_another_word() -> None:
    for case in CASES:
        draw = drawn(case)
        if 0 < draw.temperature <= 0.01 or draw.top_k == 1:
            assert draw.max_tokens * (1 - max(draw.odds([])) / sum(draw.odds([]))) < SELDOM, case.title


def test_penalties_leave_no_doubt_about_the_next_word() -> None:
    """The best logit is the best by 0.05 before each word; at temperature 0.001 it is drawn for sure."""
    for case in CASES:
        draw = drawn(case)
        if draw.temperature == 0 and (
            draw.frequency_penalty or draw.presence_penalty or draw.repetition_penalty > 1
        ):
            draw.temperature = 0.001
            said: list[int] = []
            for _ in range(draw.max_tokens):
                odds = draw.odds(said)
                assert 1 - max(odds) < 1e-20, case.title
                said.append(odds.index(max(odds)))


def test_a_few_chances_that_are_told() -> None:
    assert share(1, [0]) == pytest.approx(0.2253, abs=1e-4)
    assert share(1, range(8, 16)) == pytest.approx(0.1192, abs=1e-4)
    assert math.log(share(1, [0])) == pytest.approx(-1.490, abs=1e-3)
    # The likeliest word 32 times in a row, where Ollama breaks off: not by chance in two words of 48.
    assert 17 * (share(1, [0]) / share(1, [0, 1])) ** 32 < SELDOM
