"""The table of a step as loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import CheckFailed
from support.models.files import ModelFiles
from support.performance.load.plan import LoadPlan
from support.performance.load_table import LoadTable, NewServers, Sender, load_table
from support.programs.launcher import LaunchedProgram

PLAN = LoadPlan("http://127.0.0.1", "m", users=1, requests=1)


def no_server(_: object) -> LaunchedProgram:
    raise AssertionError("no row starts a server")


def loads(*rows: dict[str, str]) -> LoadTable:
    return load_table(rows, PLAN, Sender(), NewServers({}, no_server))


def test_a_row_is_a_plan() -> None:
    row = {"users": "8", "requests": "40", "prompt words": "16", "output tokens": "32", "turns": "4"}
    (found,) = loads(row | {"load": "some leave", "cancelled": "12.5 %"}).loads
    plan = found.plan
    assert (plan.users, plan.requests, plan.prompt_words, plan.output_tokens, plan.turns) == (
        8,
        40,
        16,
        32,
        4,
    )
    assert (found.name, plan.cancelled_share) == ("some leave", 0.125)


@pytest.mark.parametrize("text", ["10", "", "%", "100 %", "-1 %", "10 % of all", "nan %", "a tenth"])
def test_a_share_is_a_percentage_below_100(text: str) -> None:
    with pytest.raises(CheckFailed, match="give a share such as 10 %"):
        loads({"users": "1", "cancelled": text})


@pytest.mark.parametrize(
    ("row", "rounds", "seconds"),
    [({}, 5, 30 / 5 / 2), ({"starts": "4"}, 4, 30 / 4 / 2), ({"rounds": "12"}, 12, 120 / 12 / 2)],
)
def test_a_table_may_have_its_own_number_of_rounds(row: dict[str, str], rounds: int, seconds: float) -> None:
    """And more time for all of them then."""
    models = {"scripted": lambda: ModelFiles(Path("/nowhere"), None, "gguf")}
    rows = [{"users": users, **row} for users in ("1", "8")]
    table = load_table(rows, PLAN, Sender(), NewServers(models, no_server))
    assert (table.rounds, {load.plan.seconds for load in table.loads}) == (rounds, {seconds})


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(CheckFailed, match="column of a load 'user'"):
        loads({"user": "1"})
