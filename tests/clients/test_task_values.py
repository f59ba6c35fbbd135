"""A task that fails has the values in its message, not `expected True, got False`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from support.clients.task import CLIENTS, TaskResult, tasks_of
from support.errors import CheckFailed


@pytest.mark.parametrize("api", CLIENTS)
def test_no_task_has_to_return_true(api: str) -> None:
    tasks = tasks_of(api)
    assert not [name for name in tasks if isinstance(tasks.find(name)[0], bool)]


@pytest.mark.parametrize(("total", "right"), [(26, True), (126, False)])
def test_counts_that_do_not_add_up_are_in_the_message(total: int, *, right: bool) -> None:
    usage = SimpleNamespace(prompt_tokens=17, completion_tokens=9, total_tokens=total)
    completions = SimpleNamespace(create=lambda **_: SimpleNamespace(usage=usage))
    client: Any = SimpleNamespace(chat=SimpleNamespace(completions=completions))
    name = "count the tokens"
    expected, function = tasks_of("openai").find(name)
    result = TaskResult(name, expected, function(client, "m"))
    if right:
        result.require_expected()
        return
    with pytest.raises(CheckFailed, match="17 tokens of the prompt, 9 of the answer, 126 in all"):
        result.require_expected()
