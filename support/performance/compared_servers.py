"""Two servers of a scenario, compared: mistral.rs and itself, another version of it, or another program.

All of them have the same file of a model.

Other programs of the machine widen an interval, and then nothing is claimed. What two equal servers differ
by is checked once more: by chance, five figures of them differ in 5 % of the comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from support.chat.client import OLLAMA_CHAT, ChatEndpoint
from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed, NotSupported, TargetError
from support.models.roles import SCRIPTED
from support.name_registry import unknown
from support.performance.comparison import (
    MEMORY,
    ComparedTarget,
    Comparison,
    Finding,
    compare,
)
from support.performance.comparison_report import csv_text, lines
from support.performance.load.plan import LoadPlan
from support.performance.load.program import sending_seconds
from support.performance.ratio import FEWEST_ROUNDS, Ratio
from support.performance.target_facts import local_process
from support.programs.cpu_contention import MOST_OTHERS, not_judged
from support.programs.llama_cpp import LLAMA_CPP_PYTHON
from support.results.safe_text import counted
from support.servers.dedicated import DIRECT
from support.servers.endpoints import ComparedMistralRs
from support.servers.llama_cpp import start_llama_cpp

ITSELF, ANOTHER, LLAMA_CPP = "itself", "another version", "llama-cpp-python"
COLUMNS = {
    "users": "users",
    "requests": "requests",
    "prompt words": "prompt_words",
    "prefix words": "prefix_words",
    "output tokens": "output_tokens",
}
# Of the rounds; the second one where the first one has found a difference of equal servers.
SECONDS, SECONDS_AGAIN = 28.0, 20.0
# In which requests of one load are sent: a slow server has fewer of them.
LOAD_SECONDS = 7.0
RATIO_OF_ONE, SAME_WORK = "a ratio of 1", "the same work"
EXPECTED = (RATIO_OF_ONE, SAME_WORK)
# An interval that is further from 1 shows nothing, even when 1 is inside of it.
WIDEST = 1.25


@dataclass(frozen=True)
class ComparedServers:
    """The comparisons of a scenario: a second one confirms or refutes the differences of the first one."""

    comparisons: tuple[Comparison, ...]

    def require(self, expected: str) -> None:
        """`a ratio of 1` of servers that are equal, or `the same work`: then there are ratios, of any size.

        Raises `CheckFailed` for a failed request and for a difference that both comparisons have, and
        `NotSupported` for two workloads, where there is not enough evidence, and for requests that have only
        timed out while other programs had the CPU.
        """
        if expected not in EXPECTED:
            raise CheckFailed(unknown("result of a comparison", expected, EXPECTED))
        for comparison in self.comparisons:
            _require_ratios(comparison, equal=expected == RATIO_OF_ONE)
        if expected == RATIO_OF_ONE:
            self._require_ratio_of_one()

    def _require_ratio_of_one(self) -> None:
        first, *again = (_differences(comparison) for comparison in self.comparisons)
        for name in first:
            if again and again[0].get(name) == first[name]:
                ratios = [_ratio(comparison, name) for comparison in self.comparisons]
                raise CheckFailed(f"{name}: the ratio of equal servers is {' and then '.join(ratios)}")
        open_ones = [
            f"{figure.name} {figure.ratio or 'has too few valid rounds'}"
            for figure in self.comparisons[-1].figures
            if figure.name != MEMORY and (figure.ratio is None or _is_wide(figure.ratio))
        ]
        if open_ones:
            raise NotSupported(f"{Finding.NOT_ENOUGH_EVIDENCE.value}: {'; '.join(open_ones)}")

    def text(self) -> str:
        return "\n\n".join("\n".join(lines(comparison)) for comparison in self.comparisons)

    def csv(self) -> str:
        """The rounds of the last comparison."""
        return csv_text(self.comparisons[-1])


def _is_wide(ratio: Ratio) -> bool:
    return not 1 / WIDEST <= ratio.low <= ratio.high <= WIDEST


def _require_ratios(comparison: Comparison, *, equal: bool) -> None:
    if comparison.failure:
        failed = [load for loads in comparison.rounds for load in loads if load.failed]
        if all(load.only_timed_out and load.others > MOST_OTHERS for load in failed):
            others = max(load.others for load in failed)
            raise NotSupported(not_judged(others, comparison.failure))
        raise CheckFailed(comparison.failure)
    reasons = [*comparison.workload_differences[:3], comparison.other_texts]
    if not comparison.has_ratios:
        text = f"{Finding.OTHER_WORKLOAD.value}: {'; '.join(filter(None, reasons))}"
        # One program on one file has one answer to a prompt at temperature 0.
        raise CheckFailed(text) if equal else NotSupported(text)
    if not comparison.pairs:
        raise NotSupported(f"{Finding.NOT_ENOUGH_EVIDENCE.value}: no round was measured")
    if not any(figure.ratio for figure in comparison.figures):
        reasons = [reason for found in comparison.invalid_rounds.values() for reason in found]
        measured = len(comparison.pairs)
        valid = counted(measured - len(comparison.invalid_rounds), "valid round")
        raise NotSupported(
            f"{Finding.NOT_ENOUGH_EVIDENCE.value}: {valid} of {measured}, {FEWEST_ROUNDS} are needed;"
            f" {'; '.join(reasons[:2]) or 'there was no time for more'}"
        )


def _differences(comparison: Comparison) -> Mapping[str, bool]:
    """The figures that differ, and whether the first target has more. Memory is that of one process each."""
    return {
        figure.name: figure.ratio.value > 1
        for figure in comparison.figures
        if figure.ratio and figure.finding is Finding.DIFFERS and figure.name != MEMORY
    }


def _ratio(comparison: Comparison, name: str) -> str:
    return next(str(figure.ratio) for figure in comparison.figures if figure.name == name)


def compare_servers(
    servers: ScenarioServers,
    names: tuple[str, str],
    rows: Iterable[Mapping[str, str]],
    load: LoadPlan,
    seconds_left: Callable[[], float],
) -> ComparedServers:
    """Start what is needed and compare. `rows`: one, with `COLUMNS`; `load`: the rest of the plan."""
    (row,) = (dict(row.items()) for row in rows)
    if wrong := sorted(row.keys() - COLUMNS):
        raise CheckFailed(unknown("column of a comparison", wrong[0], COLUMNS))
    fields = {COLUMNS[name]: int(value) for name, value in row.items()}
    load = replace(load, seconds=LOAD_SECONDS, **fields)  # type: ignore[arg-type]  # the columns of numbers
    first, second = _started(servers, "first", names[0]), _started(servers, "second", names[1])
    folder = servers.context.folder / "comparison"

    def measured(number: int, seconds: float) -> Comparison:
        # The longest round of both may still begin.
        seconds = min(seconds, seconds_left() - 2 * sending_seconds(load))
        return compare((first, second), load, folder / str(number), seconds=seconds)

    try:
        found = [measured(1, SECONDS)]
        if names[1] == ITSELF and not found[0].failure and _differences(found[0]):
            found.append(measured(2, SECONDS_AGAIN))
    except TargetError as error:
        # Both were ready after their start.
        raise CheckFailed(str(error)) from None
    return ComparedServers(tuple(found))


def _started(servers: ScenarioServers, side: str, name: str) -> ComparedTarget:
    """mistral.rs is started for the scenario alone, with the file that a real Ollama has as well."""
    if name in (DIRECT, ITSELF):
        suite = servers.suite
        url = servers.start_with(suite.models.scripted(suite.script)).url
        label = f"{suite.command.label} ({side})"
        return ComparedTarget(label, url, suite.command.model_name, pid=local_process(url))
    if name == ANOTHER:
        return _another(servers)
    if name == LLAMA_CPP:
        return _llama_cpp(servers)
    servers.endpoints.require_scripted(name)
    return _target_of(servers.endpoints.endpoint(name))


def _another(servers: ScenarioServers) -> ComparedTarget:
    """The mistral.rs of the setting `acceptance_compare`. Raises `NotSupported` for the one under test."""
    suite = servers.suite
    name = suite.settings.second_mistralrs
    if name is None:
        raise CheckFailed("this scenario lacks the tag @needs.second_mistralrs")
    other = ComparedMistralRs(name, suite.settings, suite.model)
    servers.context.cleanups.callback(other.close)
    endpoint = other.endpoint_for("openai", SCRIPTED)
    assert endpoint is not None
    if endpoint.label == suite.command.label:
        raise NotSupported(f"both are {endpoint.label}: name another one with -D acceptance_compare=...")
    for program, version in endpoint.components:
        servers.context.record_component(program, version)
    url = endpoint.base_url
    return ComparedTarget(endpoint.label, url, endpoint.variables["model"], pid=local_process(url))


def _llama_cpp(servers: ScenarioServers) -> ComparedTarget:
    """The server of llama-cpp-python, with the file that mistral.rs has."""
    suite = servers.suite
    program = LLAMA_CPP_PYTHON.find(suite.settings.acceptance_cache_dir)
    if program is None:
        raise CheckFailed("this scenario lacks the tag @needs.llama_cpp_python")
    server = start_llama_cpp(program, suite.models.scripted(suite.script), suite.settings)
    servers.context.cleanups.callback(server.stop)
    servers.context.record_component(program.name, program.version)
    name = f"{program.name} {program.version}"
    return ComparedTarget(name, server.url, "default", pid=local_process(server.url))


def _target_of(endpoint: ChatEndpoint) -> ComparedTarget:
    api = "ollama" if endpoint.protocol is OLLAMA_CHAT else "openai"
    pid = local_process(endpoint.url)
    return ComparedTarget(endpoint.name, endpoint.url, endpoint.model, api, endpoint.key, pid)  # type: ignore[arg-type]
