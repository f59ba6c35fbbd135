"""`acceptance prove`: a run of the suite for each fault, the verdicts, and what is left of them in files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from support.errors import EXIT_FAILED, EXIT_HARNESS, EXIT_PASSED, SettingsError, TargetError
from support.fault_injection.catalogue import HARMLESS, HARNESS, CatalogueFault, catalogue, chosen
from support.fault_injection.proof import (
    Detection,
    FaultResult,
    Proof,
    RunResult,
    applicable,
    classify,
)
from support.fault_injection.proof_report import result_line, summary_lines, write_proof
from support.fault_injection.proof_runs import FaultyTarget, SuiteRun, own_programs, run_all, selection
from support.fault_injection.suite_process import import_suite
from support.programs.run_directory import temp_prefix
from support.reporting.files import prepare_folder
from support.servers.discovery import UrlTarget, discover
from support.settings import ResolvedSettings

# Of the runs without a fault, so that they take about as long as the others.
CHECKS_PER_RUN = 60
SCENARIOS_PER_RUN = 8
_WITHOUT = "without a fault"


class ProveCommand:
    """One call of `acceptance prove`."""

    def __init__(
        self,
        resolved: ResolvedSettings,
        defines: Sequence[str],
        *,
        jobs: int,
        reports: Path,
        main: Callable[[Sequence[str]], object],
        print_line: Callable[[str], None],
    ) -> None:
        """Raises `TargetError` when there is no target."""
        self._target = discover(resolved.settings, resolved.origins)
        self._faulty = FaultyTarget(self._target, resolved.settings, defines)
        self._jobs = jobs
        self._reports = reports
        self._main = main
        self._print = print_line
        self._healthy = RunResult(0)
        self._broken_without: list[str] = []
        self._ended: dict[str, RunResult] = {}
        self._every = 1

    def prove(self, ids: Sequence[str], capabilities: Sequence[str], every: int, command: str) -> int:
        """Run, print, write; the exit code."""
        self._every = every
        selected = [self._with_rate(fault, every) for fault in chosen(ids, capabilities)]
        self._require_possible(selected, ids)
        prepare_folder(self._reports)
        started = time.monotonic()
        import_suite()
        self._print(
            f"Target: {self._target.label}; {len(selected)} faults and variants, {self._jobs} at once"
        )
        with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
            runs = self._runs(selected, Path(folder))
            run_all(runs, self._jobs, self._take)
        results = [self._result(fault) for fault in selected]
        if ids and (missing := [r for r in results if r.detection == Detection.NOT_APPLICABLE]):
            raise TargetError(
                f"{missing[0].fault.id} cannot be shown on {self._target.label}: {missing[0].message}"
            )
        proof = Proof(
            [replace(result, every=every) for result in results],
            self._target.label,
            f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
            command,
            time.monotonic() - started,
        )
        for line in summary_lines(proof):
            self._print(line)
        for path in write_proof(proof, self._reports):
            self._print(f"  {path}")
        if self._broken_without:
            self._print(f"the suite itself did not run: {self._broken_without[0]}")
            return EXIT_HARNESS
        return EXIT_PASSED if proof.is_complete else EXIT_FAILED

    def _with_rate(self, fault: CatalogueFault, every: int) -> CatalogueFault:
        if every == 1 or fault.means not in ("http", "transport") or fault.capability == HARMLESS:
            return fault
        http = tuple({**one, "on": {**one["on"], "every": every}} for one in fault.http)
        return replace(fault, http=http)

    def _require_possible(self, selected: Sequence[CatalogueFault], ids: Sequence[str]) -> None:
        if not isinstance(self._target, UrlTarget):
            return
        for fault in selected:
            if fault.id in ids and fault.command:
                raise SettingsError(
                    f"{fault.id} is a fault of a program, and the target is a server at a URL; "
                    "give --target the path of a program"
                )

    def _runs(self, selected: Sequence[CatalogueFault], folder: Path) -> Iterator[SuiteRun]:
        proper = [fault for fault in selected if fault.capability != HARMLESS]
        # Also what the harmless variants are run with.
        of_variants = [
            fault
            for fault in catalogue().values()
            if fault.capability in {variant.selects for variant in selected} - {""}
        ]
        checks = list(dict.fromkeys(name for f in proper for name in (*f.checks, *f.recovers)))
        scenarios = list(dict.fromkeys(name for f in proper for name in f.scenarios))
        parts = [checks[at : at + CHECKS_PER_RUN] for at in range(0, len(checks), CHECKS_PER_RUN)]
        for number, part in enumerate(parts):
            yield self._run(None, folder, f"{_WITHOUT}, checks {number}", selection(part, ()))
        lists = [scenarios[at : at + SCENARIOS_PER_RUN] for at in range(0, len(scenarios), SCENARIOS_PER_RUN)]
        for number, part in enumerate(lists):
            yield self._run(None, folder, f"{_WITHOUT}, scenarios {number}", selection((), part))
        for fault in selected:
            if fault.capability == HARMLESS:
                names = dict.fromkeys(
                    n for f in of_variants if f.capability == fault.selects for n in f.checks
                )
                yield self._run(fault, folder, fault.id, selection(names, ()))
            elif not (fault.command and isinstance(self._target, UrlTarget)):
                words = selection((*fault.checks, *fault.recovers), fault.scenarios, whole=self._every > 1)
                yield self._run(fault, folder, fault.id, words)

    def _run(self, fault: CatalogueFault | None, folder: Path, name: str, words: Sequence[str]) -> SuiteRun:
        own = folder / name.replace(", ", "-").replace(" ", "-")
        options = self._faulty.options(fault, own)
        environment = own_programs(own, fault.programs) if fault else {}
        return SuiteRun(name, self._main, [*options, *words], own, environment, self._faulty.front(fault))

    def _take(self, run: SuiteRun, result: RunResult) -> None:
        if run.name.startswith(_WITHOUT):
            self._healthy = RunResult(
                0,
                {**self._healthy.verdicts, **result.verdicts},
                {**self._healthy.messages, **result.messages},
            )
            if not result.verdicts:
                self._broken_without.append(" ".join(result.output.split())[-300:])
            return
        self._ended[run.name] = result
        fault = catalogue()[run.name]
        self._print(result_line(classify(fault, result)))

    def _result(self, fault: CatalogueFault) -> FaultResult:
        if fault.capability not in (HARMLESS, HARNESS) and (reason := applicable(fault, self._healthy)):
            return FaultResult(fault, Detection.NOT_APPLICABLE, message=reason)
        if fault.id not in self._ended:
            reason = "the target is a server at a URL, not a program"
            return FaultResult(fault, Detection.NOT_APPLICABLE, message=reason)
        return classify(fault, self._ended[fault.id])
