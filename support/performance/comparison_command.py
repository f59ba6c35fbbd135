"""`acceptance load --against`: the comparison of two running servers, on a terminal."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from support.errors import EXIT_FAILED, EXIT_NOTHING_SELECTED, EXIT_PASSED, SettingsError
from support.performance.comparison import REQUESTS, ROUNDS, ComparedTarget, compare
from support.performance.comparison_report import lines, write_comparison
from support.performance.history_entries import entry_of_comparison
from support.performance.load.plan import ApiName, LoadPlan
from support.performance.regression import keep
from support.performance.target_facts import local_process
from support.programs.run_directory import temp_prefix

MISSING = "--against needs --against-model: the name of the model there"


@dataclass(frozen=True)
class Against:
    """The options of the second target; each is None where it was not given."""

    url: str | None
    model: str | None
    api: ApiName | None
    rounds: int | None

    def require_whole(self, *, limits: bool, goodput: bool) -> bool:
        """Whether there is a second target. Raises `SettingsError` for a part of one, or other results."""
        given = {"--against-model": self.model, "--against-api": self.api, "--rounds": self.rounds}
        if self.url is None:
            for option, value in given.items():
                if value is not None:
                    raise SettingsError(f"{option} needs --against: the URL of the second server")
            return False
        if self.model is None:
            raise SettingsError(MISSING)
        for option, is_given in (("--find-limit", limits), ("--goodput", goodput)):
            if is_given:
                raise SettingsError(f"{option} is for one server; leave out --against")
        return True


def default_load(fields: dict[str, object]) -> dict[str, object]:
    """The load of a round where the command line does not say another one."""
    if not fields.keys() & {"users", "rate"}:
        fields = {**fields, "users": (1,)}
    if not fields.keys() & {"requests", "seconds"}:
        fields = {**fields, "requests": REQUESTS}
    return fields


def compare_servers(
    plans: Sequence[LoadPlan],
    against: Against,
    folder: Path | None,
    history: Path,
    print_line: Callable[[str], None],
) -> int:
    """Compare, print, write the files into the folder, and add the ratios to the history; the exit code.

    0: there are ratios, whatever they are. 1: a request has failed. 3: two different workloads.
    """
    assert against.url is not None
    assert against.model is not None
    if len(plans) > 1:
        raise SettingsError("--against compares with one load; give one number of users, and of each length")
    plan = plans[0]
    first = ComparedTarget("first", plan.url, plan.model, plan.api, plan.key, local_process(plan.url))
    second = ComparedTarget(
        "second", against.url, against.model, against.api or "openai", None, local_process(against.url)
    )
    # A wrong URL of the second one is found before any load.
    replace(plan, url=second.url)
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as own:
        place = folder or Path(own)
        found = compare((first, second), plan, place, rounds=against.rounds or ROUNDS, progress=print_line)
        write_comparison(found, place)
    for line in lines(found):
        print_line(line)
    model = f"{first.model} {found.facts[0].file_hash[:12]}".rstrip()
    if (entry := entry_of_comparison(found, model)) is not None:
        keep(entry, history, print_line)
    if found.failure:
        return EXIT_FAILED
    return EXIT_PASSED if found.has_ratios else EXIT_NOTHING_SELECTED
