"""The cases about drawing words hold on a right server by more than chance, and notice each broken option."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from support.conformance.api import Endpoint
from support.conformance.case_runner import run_case
from support.conformance.case_table import FOLDER, Case, read_table
from support.models.categorical import STEP, WORDS
from tests.conformance.categorical_server import DiceServer, Draw

TABLES = {api: read_table(api, FOLDER / api / "sampling.toml") for api in ("openai", "ollama")}
CASES = [case for table in TABLES.values() for case in table.values()]
# A right server fails a case less often than this.
SELDOM = 1e-6


def judged(case: Case, wrong: str = "", seed: int = 1) -> str:
    server = Endpoint("dice", case.api, "http://127.0.0.1:1", {"model": "tiny"})
    result = run_case(DiceServer(wrong, seed), server, case)  # type: ignore[arg-type]
    return "" if result.outcome == "passed" else result.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.api}: {case.title}")
def test_a_right_server_keeps_it(case: Case) -> None:
    assert [judged(case, seed=seed) for seed in range(3)] == [""] * 3


# -- each fault is noticed, by the case that is about it

OPTIONS = {
    "seed": ("the same seed draws the same answer again", "the same seed draws the same text again"),
    "temperature": (
        "at a low temperature the likeliest word is said",
        "a low temperature says the likeliest word",
    ),
    "top_k": (
        "of two candidates both are said and no other word",
        "a single candidate is the likeliest word",
    ),
    "top_p": ("a nucleus of one half is three words", "a nucleus of a fifth is the likeliest word alone"),
    "min_p": (
        "unlikely words are left out beside a nucleus as well",
        "words with less than a share of the likeliest are left out",
    ),
    "frequency_penalty": (
        "a frequency penalty punishes a word each time it is said",
        "a frequency penalty grows each time a word is said",
    ),
    "presence_penalty": (
        "a presence penalty punishes a word once",
        "a presence penalty tells once said from never said",
    ),
    "repetition_penalty": (
        "a repetition penalty divides what a word is worth",
        "a repeat penalty divides what a word is worth",
    ),
    "repeat_last_n": ("", "a repeat penalty looks back as far as it is told"),
    "logit_bias": ("a word with a bias of minus hundred is never drawn", ""),
}
FAULTS = {
    "all words are equally likely": (
        "at temperature one words come as often as they are likely",
        "temperature one draws words as often as they are likely",
    ),
    "one seed for all": ("another seed draws another answer", "another seed draws another text"),
    "no seed zero": ("a seed of zero is a seed", "zero is a seed as well"),
    "minus one is a seed": ("", "a seed of minus one is none"),
    "a seed makes all choices equal": ("several choices of one seed differ from each other", ""),
    "one draw for all choices": ("several choices of one question differ from each other", ""),
    "no more choices than one": ("more choices than a server has room for do no harm", ""),
    "temperature zero when left out": (
        "an answer without a temperature is drawn anew each time",
        "a text without any option is drawn anew each time",
    ),
    "temperature turned round": (
        "at temperature two unlikely words come more often",
        "temperature one half draws the likeliest word more often",
    ),
    "a stream without a seed": (
        "a seed draws the same in a stream",
        "a seed draws the same text as a stream",
    ),
    "a stream without penalties": ("penalties hold in a stream as well", ""),
    "penalties of greedy answers only": (
        "a presence penalty punishes a word once",
        "a repeat penalty divides what a word is worth",
    ),
    "presence counted each time": (
        "a presence penalty punishes a word once",
        "a presence penalty tells once said from never said",
    ),
    "frequency counted once": (
        "a frequency penalty punishes a word each time it is said",
        "a frequency penalty grows each time a word is said",
    ),
    "penalties as rewards": (
        "a continued text is punished for what it repeats",
        "a repeat penalty divides what a word is worth",
    ),
    "common logarithms": (
        "alternatives come with the natural logarithms of their probabilities",
        "the alternatives of a throw have the logarithms of their probabilities",
    ),
    "logarithms of greedy tokens are zero": (
        "the likeliest word comes with the natural logarithm of its probability",
        "",
    ),
    "any value is taken": ("a nucleus below zero is refused", ""),
    "zero divides": ("a repetition penalty of zero does no harm", "a repeat penalty of zero does no harm"),
    "breaks off what repeats itself": (
        "a word said forty times in a row is an answer",
        "a word said forty times is a text like any other",
    ),
    "fails at next to nothing": (
        "a temperature of next to nothing is none",
        "a temperature of next to nothing says the likeliest word",
    ),
    "fails at more candidates than words": ("more candidates than the vocabulary has are all of it", ""),
    "fails at a bad value": ("a bias out of its range is refused", "fewer candidates than none do no harm"),
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
TAME = re.compile(r"a throw of the dice|does? no harm|refused")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.api}: {case.title}")
def test_a_case_is_noticed_by_some_fault(case: Case) -> None:
    noticed = any(judged(case, fault) for fault in (*OPTIONS, *FAULTS))
    assert noticed or TAME.search(case.title), "no fault is known that this case notices"


# -- the chances that are told beside the cases


def share(temperature: float, words: Any) -> float:
    """The probability that one of these words is drawn."""
    weights = [math.exp(-STEP * number / temperature) for number in range(len(WORDS))]
    return sum(weights[word] for word in words) / sum(weights)


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
        if case.again is not None and case.again.differs and drawn(case).temperature == 1:
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
