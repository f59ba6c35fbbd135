"""`acceptance prove`: a run of the suite for each fault, the verdicts, and what is left of them in files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from support.errors import EXIT_FAILED, EXIT_HARNESS, EXIT_PASSED, SettingsError, TargetError
from support.fault_injection.catalogue import HARMLESS, CatalogueFault, catalogue, chosen
from support.fault_injection.fault_rates import at_rate, counting, counting_id, unreached
from support.fault_injection.proof import (
    Detection,
    FaultResult,
    Proof,
    RunResult,
    classify,
    of_all_checks,
    repeated,
    widened,
    without_fault,
)
from support.fault_injection.proof_report import result_line, summary_lines, write_proof
from support.fault_injection.proof_runs import (
    FaultyTarget,
    SuiteRun,
    of_capability,
    of_capability_until_failure,
    own_programs,
    run_all,
    selection,
    selection_of,
)
from support.fault_injection.suite_process import NO_FAULT, ProcessFault, import_suite
from support.programs.run_directory import temp_prefix
from support.reporting.files import prepare_folder
from support.servers.discovery import UrlTarget, discover
from support.settings import ResolvedSettings

SUITE = "mistralrs-acceptance"
# Of the runs without a fault, so that they take about as long as the others.
CHECKS_PER_RUN = 60
SCENARIOS_PER_RUN = 8
_WITHOUT = "without a fault"
# What measures: another run beside it would be a load of the machine.
ALONE = ("performance",)


@dataclass(frozen=True)
class ProofOptions:
    """`every`: only faults of exchanges, in each N-th one that a fault is for. The expected checks have too
    few of them: all checks of the capability are run, until the first failure. `narrow`: only the groups of
    the expected checks, also where they do not detect a fault. `repeat`: how many times each harmless variant
    is run."""

    every: int = 1
    narrow: bool = False
    repeat: int = 1

    @property
    def until_first_failure(self) -> bool:
        """Whether each fault has one run, of all checks of its capability."""
        return self.every > 1 and not self.narrow


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
        self._by_name: dict[str, RunResult] = {}
        self._broken_without: list[str] = []
        self._options = ProofOptions()

    def prove(
        self,
        ids: Sequence[str],
        capabilities: Sequence[str],
        options: ProofOptions,
        command: str,
    ) -> int:
        """Run, print, write; the exit code."""
        self._options = options
        selected = at_rate(chosen(ids, capabilities), options.every, ids)
        self._require_possible(selected, ids)
        prepare_folder(self._reports)
        started = time.monotonic()
        import_suite()
        self._print(
            f"Target: {self._target.label}; faults and variants: {len(selected)}, {self._jobs} at once"
        )
        with tempfile.TemporaryDirectory(prefix=temp_prefix()) as name:
            folder = Path(name)
            together, alone = _apart(selected)
            for faults, title, jobs in ((together, _WITHOUT, self._jobs), (alone, f"{_WITHOUT}, alone", 1)):
                run_all(self._runs_without(faults, folder, title), jobs, self._take_without)
                if options.until_first_failure:
                    run_all(self._counting_runs(faults, folder), jobs, self._take_without)
            self._require_shown([fault for fault in selected if fault.id in ids])
            results, runs = self._run_faults(selected, folder)
            if options.until_first_failure:
                results |= self._of_all_checks(results, runs, folder)
            if not options.narrow:
                results |= self._widen([r for r in results.values() if self._needs_others(r)], folder)
        proof = Proof(
            list(results.values()),
            self._target.label,
            f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
            command,
            time.monotonic() - started,
            f"{SUITE} {version(SUITE)}",
            options.every,
        )
        for line in summary_lines(proof):
            self._print(line)
        for path in write_proof(proof, self._reports):
            self._print(f"  {path}")
        if self._broken_without:
            self._print(f"the suite itself did not run: {self._broken_without[0]}")
            return EXIT_HARNESS
        return EXIT_PASSED if proof.is_complete else EXIT_FAILED

    def _require_possible(self, selected: Sequence[CatalogueFault], ids: Sequence[str]) -> None:
        if not isinstance(self._target, UrlTarget):
            return
        for fault in selected:
            if fault.id in ids and fault.command:
                raise SettingsError(
                    f"{fault.id} is a fault of a program, and the target is a server at a URL; "
                    "give --target the path of a program"
                )

    def _require_shown(self, named: Sequence[CatalogueFault]) -> None:
        """Before any is injected: the verdicts about the others would be lost."""
        for fault in named:
            result = self._not_shown(fault)
            # One that is too rare, or whose check failed without it, has a verdict.
            if result is not None and result.detection == Detection.NOT_APPLICABLE:
                raise TargetError(f"{fault.id} cannot be shown on {self._target.label}: {result.message}")

    def _runs_without(
        self, selected: Sequence[CatalogueFault], folder: Path, name: str
    ) -> Iterator[SuiteRun]:
        """What has to detect the faults, without a fault."""
        proper = [fault for fault in selected if fault.capability != HARMLESS]
        gpu = [fault for fault in proper if fault.process.gpu is not None]
        if gpu:
            # Without a GPU these checks pass on a stand-in only.
            unchanged = replace(gpu[0], process=ProcessFault(gpu={}))
            checks = list(dict.fromkeys(check for fault in gpu for check in fault.checks))
            yield self._run(unchanged, folder, f"{name}, GPU", selection(checks, ()))
        proper = [fault for fault in proper if fault.process.gpu is None]
        checks = list(dict.fromkeys(name for f in proper for name in (*f.checks, *f.recovers)))
        scenarios = list(dict.fromkeys(name for f in proper for name in f.scenarios))
        parts = [checks[at : at + CHECKS_PER_RUN] for at in range(0, len(checks), CHECKS_PER_RUN)]
        for number, part in enumerate(parts):
            yield self._run(None, folder, f"{name}, checks {number}", selection(part, ()))
        lists = [scenarios[at : at + SCENARIOS_PER_RUN] for at in range(0, len(scenarios), SCENARIOS_PER_RUN)]
        for number, part in enumerate(lists):
            yield self._run(None, folder, f"{name}, scenarios {number}", selection((), part))

    def _counting_runs(self, selected: Sequence[CatalogueFault], folder: Path) -> Iterator[SuiteRun]:
        """All checks of the capabilities, without a fault."""
        for counted in counting(selected):
            yield self._run(counted, folder, counted.id, of_capability(counted.capability))

    def _take_without(self, run: SuiteRun, result: RunResult) -> None:
        self._by_name[run.name] = result
        # What a run at its limit of time did not reach replaces no verdict.
        before = self._healthy.verdicts if not result.is_whole else {}
        judged = {name: verdict for name, verdict in result.verdicts.items() if name not in before}
        self._healthy = RunResult(
            0,
            {**self._healthy.verdicts, **judged},
            {**self._healthy.messages, **{name: result.messages.get(name, "") for name in judged}},
        )
        if not result.verdicts:
            self._broken_without.append(" ".join(result.output.split())[-300:])

    def _run_faults(
        self, selected: Sequence[CatalogueFault], folder: Path
    ) -> tuple[dict[str, FaultResult], dict[str, RunResult]]:
        """The verdict about each, with the checks that have to detect it, and the last run; by id."""
        verdicts: dict[str, FaultResult | None] = {fault.id: self._not_shown(fault) for fault in selected}
        for result in filter(None, verdicts.values()):
            self._print(result_line(result))
        shown = {fault.id: fault for fault in selected if verdicts[fault.id] is None}
        ended: dict[str, RunResult] = {}

        def take(run: SuiteRun, result: RunResult) -> None:
            name = run.name.partition(",")[0]
            ended[name] = result
            verdict = classify(shown[name], result)
            self._print(result_line(verdict))
            verdicts[name] = repeated(verdicts[name], verdict)

        def runs(faults: Sequence[CatalogueFault]) -> Iterator[SuiteRun]:
            for number in range(self._options.repeat):
                for fault in faults:
                    if not number or fault.capability == HARMLESS:
                        name = f"{fault.id}, {number}" if number else fault.id
                        yield self._run(fault, folder, name, self._narrow(fault))

        together, alone = _apart(shown.values())
        run_all(runs(together), self._jobs, take)
        run_all(runs(alone), 1, take)
        return {name: verdict for name, verdict in verdicts.items() if verdict is not None}, ended

    def _narrow(self, fault: CatalogueFault) -> list[str]:
        """The options that select what has to detect it; for a variant, what all faults need."""
        if fault.capability == HARMLESS:
            others = [other for other in catalogue().values() if other.capability == fault.selects]
            return selection(dict.fromkeys(name for other in others for name in other.checks), ())
        if self._options.until_first_failure:
            return of_capability_until_failure(fault)
        return selection((*fault.checks, *fault.recovers), fault.scenarios, whole=self._options.every > 1)

    def _of_all_checks(
        self, verdicts: Mapping[str, FaultResult], runs: Mapping[str, RunResult], folder: Path
    ) -> dict[str, FaultResult]:
        """The verdicts about runs of all checks, without what fails without the fault, too."""
        self._run_without({name for key in runs for name in verdicts[key].by}, folder)
        found = {}
        for key, run in runs.items():
            verdict = of_all_checks(verdicts[key].fault, run.of_those_that_pass(self._healthy))
            # The first failure has ended the run.
            found[key] = replace(verdict, all_others=verdict.all_others and not run.failed())
        return found

    def _needs_others(self, result: FaultResult) -> bool:
        """Whether all checks are run: a rare fault has had them, until a failure that it has caused."""
        is_red = self._options.until_first_failure and result.detection == Detection.UNNAMED
        return result.needs_others and not is_red

    def _run_without(self, names: set[str], folder: Path) -> None:
        """Those of them that were not run yet, without a fault."""
        if unknown := sorted(names - self._healthy.verdicts.keys()):
            # Each run has a folder of its own.
            title = f"{_WITHOUT}, again" if _WITHOUT in self._by_name else _WITHOUT
            run = self._run(None, folder, title, selection_of(unknown))
            run_all(iter([run]), self._jobs, self._take_without)

    def _widen(self, undetected: Sequence[FaultResult], folder: Path) -> dict[str, FaultResult]:
        """The verdicts after all checks of the capability were run, by id."""
        if not undetected:
            return {}
        self._print(f"{len(undetected)} not detected by the expected checks: all checks of the capability")
        firsts = {result.fault.id: result for result in undetected}
        wider: dict[str, RunResult] = {}
        runs = (
            self._run(r.fault, folder, f"{r.fault.id}, all", of_capability(r.fault.capability))
            for r in undetected
        )

        def take(run: SuiteRun, result: RunResult) -> None:
            wider[run.name.partition(",")[0]] = result
            failed = f"{result.judged()} checks and scenarios, {len(result.failed())} failed"
            self._print(f"{run.name:<20} {result.seconds:5.1f}s  {failed}")

        run_all(runs, self._jobs, take)
        found = {name for key, run in wider.items() for name in classify(firsts[key].fault, run).by}
        self._run_without(found, folder)
        results = {
            key: widened(first, wider[key].of_those_that_pass(self._healthy)) for key, first in firsts.items()
        }
        for result in results.values():
            self._print(result_line(result))
        return results

    def _run(self, fault: CatalogueFault | None, folder: Path, name: str, words: Sequence[str]) -> SuiteRun:
        own = folder / name.replace(", ", "-").replace(" ", "-")
        options = self._faulty.options(fault, own)
        environment = own_programs(own, fault.programs) if fault else {}
        front, own_fault = self._faulty.front(fault), fault.process if fault else NO_FAULT
        return SuiteRun(name, self._main, [*options, *words], own, environment, front, own_fault)

    def _not_shown(self, fault: CatalogueFault) -> FaultResult | None:
        """The verdict about a fault that the target cannot show; None for the others."""
        if fault.command and isinstance(self._target, UrlTarget):
            reason = "the target is a server at a URL, not a program"
            return FaultResult(fault, Detection.NOT_APPLICABLE, message=reason)
        if fault.capability != HARMLESS and (result := without_fault(fault, self._healthy)):
            return result
        if self._options.until_first_failure:
            return unreached(fault, self._by_name[counting_id(fault)])
        return None


def _apart(faults: Iterable[CatalogueFault]) -> tuple[list[CatalogueFault], list[CatalogueFault]]:
    """Those whose runs may be at the same time, and those that need the machine."""
    found = list(faults)
    return [f for f in found if f.capability not in ALONE], [f for f in found if f.capability in ALONE]
