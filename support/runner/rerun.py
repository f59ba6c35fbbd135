"""The scenarios that failed in the last run (`--rerun-failed`); several runs compared (`--iterations`)."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from support.errors import (
    COMPLETE_CODES,
    EXIT_FAILED,
    EXIT_PASSED,
    NothingSelected,
    SettingsError,
)
from support.reporting.files import ITERATIONS, REPORT, USAGE, lock_reports
from support.reporting.report_json import rows_of
from support.results.record import Record, read_records
from support.results.safe_text import counted
from support.runner.selection import file_and_line
from support.units import JsonObject
from support.user_files import problem_of

# The setting of the last run, for the runner.
LAST_ITERATION = "last_iteration"
# (location, name) -> verdict.
Verdicts = Mapping[tuple[str, str], str]


def failed_locations(reports: Path, paths: Sequence[str] = ()) -> list[str]:
    """`file:line` of each scenario that failed in the last run, those under `paths` where given.

    Of a killed run the records are read. Raises SettingsError when there was no run or when one goes on,
    NothingSelected when nothing failed.
    """
    lock_reports(reports)
    file, records = reports / REPORT, reports / "records.jsonl"
    if file.is_file():
        tests = _tests(file)
        failed = [str(test["location"]) for test in tests if test["verdict"] in ("failed", "broken")]
    elif records.is_file():
        failed = [record.location for record in read_records(records) if record.gates]
    else:
        raise SettingsError(f"no report of an earlier run in {reports}; run once without --rerun-failed")
    if lines := [name for name in paths if file_and_line(name)[1]]:
        raise SettingsError(f"--rerun-failed takes files and folders; leave out the line of {lines[0]}")
    places = [Path(name.rstrip("/")) for name in paths]
    chosen = [
        place
        for place in dict.fromkeys(failed)
        if _is_scenario(place)
        and (not places or any(Path(file_and_line(place)[0]).is_relative_to(p) for p in places))
    ]
    if not chosen:
        where = f" in {', '.join(paths)}" if paths else ""
        raise NothingSelected(f"nothing failed{where} in the last run ({reports}): nothing to run again")
    return chosen


def _is_scenario(location: str) -> bool:
    """Hooks can fail too, but outside of the features."""
    file, line = file_and_line(location)
    return bool(line) and file.endswith(".feature") and Path(file).is_file()


def run_repeatedly(run: Callable[[Sequence[str]], int], times: int, reports: Path) -> int:
    """Call `run` (with more arguments for behave) `times` times and compare the verdicts; the exit code.

    Each report is kept as `iterations/N.json`, its resource usage as `N.csv`; the HTML report is of the last
    run, which is NO-GO if an earlier one is, or when verdicts differ, unless by a known issue that is listed
    as flaky.
    """
    lock_reports(reports)
    kept = reports / ITERATIONS
    shutil.rmtree(kept, ignore_errors=True)
    runs: list[Verdicts] = []
    code = EXIT_PASSED
    lines: list[str] = []
    no_go: list[str] = []
    for number in range(1, times + 1):
        last = [f"--define={LAST_ITERATION}=true"]
        last += [f"--define=earlier_no_go={', '.join(no_go)}"] if no_go else []
        ended = run(last if number == times else ["--define=acceptance_html=false"])
        if ended not in COMPLETE_CODES:
            print(f"acceptance: run {number} of {times} ended with exit code {ended}: stopping")
            return ended
        code = code or ended
        no_go += [str(number)] if ended != EXIT_PASSED else []
        kept.mkdir(parents=True, exist_ok=True)
        copy = Path(shutil.copyfile(reports / REPORT, kept / f"{number}.json"))
        if (reports / USAGE).is_file():
            shutil.copyfile(reports / USAGE, kept / f"{number}.csv")
        runs.append(_verdicts(_tests(copy)))
        lines.append(_line(number, times, json.loads(copy.read_bytes())))
        print(f"\n{lines[-1]}\n", flush=True)
    differing = _differing(runs)
    flaky = [place for place, found in differing.items() if _is_flaky(found)]
    print("\n".join(lines))
    outcome = f"{counted(len(differing), 'scenario')} with different" if differing else "identical"
    print(f"{times} runs, {outcome} verdicts{':' if differing else ''}")
    for place, found in differing.items():
        counts = ", ".join(f"{number} x {verdict}" for verdict, number in Counter(found).items())
        print(f"  {place[0]}  {place[1]}: {counts}{', listed as flaky' if place in flaky else ''}")
    return code if len(flaky) == len(differing) else EXIT_FAILED


def unlike_earlier(reports: Path, records: Sequence[Record]) -> tuple[str, ...]:
    """Checks and scenarios of the last run of `--iterations` with another verdict in an earlier one.

    By id or title, without known issues that are listed as flaky.
    """
    earlier = [_verdicts(_tests(file)) for file in sorted((reports / ITERATIONS).glob("*.json"))]
    last = _verdicts([row for record in records for row in rows_of(record)])
    differing = _differing([*earlier, last])
    return tuple(name for (_, name), found in differing.items() if not _is_flaky(found))


def _verdicts(tests: Sequence[JsonObject]) -> Verdicts:
    return {(test["location"], test["name"]): test["verdict"] for test in tests}


def _differing(runs: Sequence[Verdicts]) -> dict[tuple[str, str], list[str]]:
    """What has another verdict in another run, with all of them."""
    found = {place: [run.get(place, "not reported") for run in runs] for run in runs for place in run}
    return {place: verdicts for place, verdicts in found.items() if len(set(verdicts)) > 1}


def _is_flaky(verdicts: Sequence[str]) -> bool:
    """A known issue that passes is a failure, unless its entry is marked as flaky."""
    return set(verdicts) == {"passed", "known_issue"}


def _line(number: int, times: int, report: JsonObject) -> str:
    count = report["summary"]
    return (
        f"run {number} of {times}: {count['passed']} passed, {count['failed']} failed, "
        f"{count['skipped']} skipped in {report['duration']:.1f} s"
    )


def tests_of_last_run(reports: Path) -> list[JsonObject]:
    """The scenarios and checks of the last run; none without a run."""
    file = reports / REPORT
    return _tests(file) if file.is_file() else []


def _tests(report: Path) -> list[JsonObject]:
    try:
        tests: list[JsonObject] = json.loads(report.read_bytes())["tests"]
    except OSError as error:
        raise SettingsError(f"{report} cannot be read ({problem_of(error)}); run once more") from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{report} is not a report of this suite; remove it and run once more") from None
    return tests
