"""The command `acceptance`: run the suite, get what it needs, show what is set."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from support.errors import (
    EXIT_FAILED,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    EXIT_USAGE,
    AcceptanceError,
    SettingsError,
    TargetError,
    internal_error,
)
from support.results.redaction import redact, redact_output
from support.results.standard_streams import refused_output
from support.suite_folder import enter_suite_folder, user_path
from support.user_files import problem_of, problem_with_name

PACKAGE = "mistralrs-acceptance"


class Number(click.IntRange):
    """A whole number from 1; click's own messages name types of Python."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return int(super().convert(value, param, ctx))
        except click.BadParameter:
            self.fail(f"{value!r} is no whole number from 1", param, ctx)


class Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers above 0, several of them apart by commas."""

    name = "numbers"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(self._kind(part) for part in str(value).split(","))
        except ValueError:
            found = ()
        if not found or not all(0 < number < float("inf") for number in found):
            kind = "whole numbers from 1" if self._kind is int else "numbers above 0"
            self.fail(f"{value!r} is no list of {kind}, such as 1,4,16", param, ctx)
        return found


class Commands(click.Group):
    """Ends with one line and its exit code for wrong usage, and when a command raises an exception."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        # Here already: the help is printed before a command is invoked.
        redact_output()
        try:
            with _printed_whole():
                return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _exit_after(error)
        except AcceptanceError as error:
            click.echo(redact(f"acceptance: {error}"), err=True)
            sys.exit(error.exit_code)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with _printed_whole():
                return super().invoke(ctx)
        except click.UsageError as error:
            _exit_after(error)
        except AcceptanceError as error:
            click.echo(redact(f"acceptance: {error}"), err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("acceptance: interrupted", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except OSError as error:
            click.echo(redact(f"acceptance: {problem_with_name(error)}"), err=True)
            sys.exit(EXIT_HARNESS)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except Exception as error:  # noqa: BLE001 - an internal error has its exit code
            click.echo(redact(f"acceptance: {internal_error(error)}"), err=True)
            sys.exit(EXIT_HARNESS)


@contextmanager
def _printed_whole() -> Iterator[None]:
    """Raises AcceptanceError when what was printed could not be written, such as on a full disk.

    A run and a comparison end inside with their own exit code: they have their reports.
    """
    try:
        yield
    except click.exceptions.Exit:
        # After a help.
        _require_output()
        raise
    _require_output()


def _require_output() -> None:
    if (error := refused_output()) is not None:
        raise AcceptanceError(f"the output cannot be written ({problem_of(error)}); it is not complete")


def _exit_after(error: click.UsageError) -> NoReturn:
    """One line for wrong usage (click has four); without any argument, the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    command = error.ctx.command_path if error.ctx is not None else "acceptance"
    if isinstance(error, click.exceptions.NoSuchCommand) and error.ctx is not None:
        names = ", ".join(main.list_commands(error.ctx))
        line = f"acceptance: no such command {error.command_name!r}; choose {names}"
    else:
        message = " ".join(error.format_message().split()).rstrip(".")
        line = f"{command}: {message[:1].lower()}{message[1:]}; `{command} --help` lists all options"
    click.echo(redact(line), err=True)
    sys.exit(EXIT_USAGE)


@click.group("acceptance", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PACKAGE, message="%(package)s %(version)s")
def main() -> None:
    """Tests whether a mistral.rs server is ready for production.

    \b
    Exit codes: 0 GO, 1 NO-GO, 2 wrong usage, settings or target,
    3 nothing selected or everything skipped, 4 internal error of the suite,
    5 too slow, 130 ended by Ctrl-C, 143 by SIGTERM.
    """


@main.command()
@click.argument("suites", metavar="[SUITE|PATH]...", nargs=-1)
@click.option("--tags", "-t", multiple=True, help="Tag expression, for example 'smoke and not slow'.")
@click.option("--name", "-n", multiple=True, help="Run scenarios whose title matches this.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Run only this case, may be repeated.")
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
@click.option("--target", metavar="WHICH", help="auto, real, reference, a URL, or the path of a program.")
@click.option(
    "--target-version",
    metavar="TEXT",
    help="Program and version of a URL that does not state them, for example 'mistralrs 0.9.2'.",
)
@click.option("--model", metavar="PATH", help="Your own model: a folder or a file.")
@click.option("--jobs", "-j", metavar="N", help="Worker processes, 0 to 64 (default: 1; 0: for a debugger).")
@click.option("--parallel", is_flag=True, help="A worker process per core.")
@click.option("--skip-benchmarks", "-s", is_flag=True, help="Leave out what only measures (@benchmark).")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option(
    "--strict", is_flag=True, help="An unmet requirement fails the scenario instead of skipping it."
)
@click.option("--iterations", type=Number(), default=1, help="Repeat the run N times; verdicts must agree.")
@click.option("--rerun-failed", is_flag=True, help="Run only what failed in the last run.")
@click.option(
    "--list", "only_list", is_flag=True, help="List scenarios, requirements and cases; start no server."
)
@click.option(
    "--report",
    "--format",
    "reports",
    multiple=True,
    type=click.Choice(["html", "json", "junit", "allure", "csv"]),
    help="A report to keep, may be repeated (default: all; json and csv are always made).",
)
@click.option(
    "--gate",
    type=click.Choice(["release", "regression", "strict"]),
    help="What is NO-GO: release: known blockers and any unlisted failure; regression: unlisted failures; "
    "strict: any failure.",
)
@click.option("--verbose", "-v", is_flag=True, help="Detailed server logs and more detail on the terminal.")
@click.option("--ci", is_flag=True, help="Plain lines for a log: no colour, no progress bar.")
@click.option("--suite", default="acceptance", show_default=True, help="Name of the run in the reports.")
def run(  # noqa: PLR0913 - click passes each option as an argument
    suites: tuple[str, ...],
    tags: tuple[str, ...],
    name: tuple[str, ...],
    cases: tuple[str, ...],
    defines: tuple[str, ...],
    target: str | None,
    target_version: str | None,
    model: str | None,
    jobs: str | None,
    *,
    parallel: bool,
    skip_benchmarks: bool,
    fail_fast: bool,
    strict: bool,
    iterations: int,
    rerun_failed: bool,
    only_list: bool,
    reports: tuple[str, ...],
    gate: str | None,
    verbose: bool,
    ci: bool,
    suite: str,
) -> None:
    """Run feature files or folders (default: all but @slow).

    \b
    SUITE is a name: binary, loading, api, ollama, parity, terminal,
    mcp, or another folder of features/; integration (api, ollama, parity),
    all; smoke, slow, benchmark (tags).
    """
    # Until the runner is loaded, which watches them itself, and between its runs.
    _exit_at_signals()
    enter_suite_folder()
    from support.runner import entry_point, rerun, selection

    if ci:
        os.environ |= {"NO_COLOR": "1", "TERM": "dumb"}
    paths, classes = selection.resolve_paths_and_tags(suites)
    expressions = [*tags, *classes]
    settings = [*defines, f"suite={suite}"]
    settings += selection.target_settings(target) if target is not None else []
    if target_version is not None:
        settings += selection.setting_of_option("--target-version", "target_version", target_version)
    settings += selection.model_settings(model) if model is not None else []
    if reports:
        settings += selection.setting_of_option("--report", "acceptance_reports", ",".join(reports))
    for option, setting, value in (
        ("--strict", "acceptance_strict", "true" if strict else None),
        ("--gate", "acceptance_gate", gate),
        ("--verbose", "test_verbose", "true" if verbose else None),
        ("--parallel", "acceptance_jobs", _worker_per_core() if parallel and jobs is None else None),
        ("--jobs", "acceptance_jobs", jobs),
    ):
        if value is not None:
            settings += selection.setting_of_option(option, setting, value)
    arguments = [f"--define={setting}" for setting in settings] + selection.name_arguments(name)
    arguments += selection.case_arguments(cases)
    if cases:
        expressions = expressions or [selection.ANY_SPEED]
    if rerun_failed:
        paths = rerun.failed_locations(entry_point.settings_of(arguments).acceptance_reports_dir, paths)
        expressions = expressions or [selection.ANY_SPEED]
    arguments += selection.tag_arguments(expressions, skip_benchmarks=skip_benchmarks)
    arguments += ["--stop"] if fail_fast else []
    arguments += ["--no-color"] if ci else []
    arguments += paths
    if only_list:
        from support.runner.list_scenarios import list_features

        list_features(arguments)
        return
    if iterations == 1:
        code = entry_point.run_features(arguments)
    else:
        folder = entry_point.settings_of(arguments).acceptance_reports_dir
        code = rerun.run_repeatedly(
            lambda more: entry_point.run_features([*more, *arguments]), iterations, folder
        )
    _ignore_signals()
    sys.exit(code)


def _by_name(defines: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` of the command line: name -> value."""
    return {name: value for name, _, value in (define.partition("=") for define in defines)}


def _worker_per_core() -> str:
    return str(min(os.cpu_count() or 1, 64))


def _ignore_signals() -> None:
    """The reports are written, with the exit code: that of the process must be the same."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _exit_at_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit_by_signal)


def _exit_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    click.echo("acceptance: interrupted", err=True)
    sys.exit(128 + number)


@main.command()
@click.argument("old")
@click.argument("new")
@click.argument("suites", metavar="[SUITE|PATH]...", nargs=-1)
@click.option("--tags", "-t", multiple=True, help="Tag expression, for example 'smoke and not slow'.")
@click.option("--case", "cases", multiple=True, metavar="ID", help="Run only this case, may be repeated.")
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
@click.option("--jobs", "-j", metavar="N", help="Worker processes.")
@click.option("--iterations", type=Number(), help="Run each N times, to evaluate what was measured.")
def compare(  # noqa: PLR0913 - click passes each option as an argument
    old: str,
    new: str,
    suites: tuple[str, ...],
    tags: tuple[str, ...],
    cases: tuple[str, ...],
    defines: tuple[str, ...],
    jobs: str | None,
    iterations: int | None,
) -> None:
    """Compare NEW with OLD: GO or NO-GO for the upgrade, and what differs.

    \b
    Each is a program, a URL, or the folder of reports of an earlier run. A program or a URL
    is run first, with these options, into comparison/old or comparison/new below the reports.
    """
    enter_suite_folder()
    from support.runner.upgrade import compare_targets
    from support.settings import load_settings

    options = [
        *suites,
        *(f"--tags={expression}" for expression in tags),
        *(f"--case={name}" for name in cases),
    ]
    options += [f"--jobs={jobs}"] if jobs is not None else []
    options += [f"--iterations={iterations}"] if iterations is not None else []
    given = _by_name(defines)
    reports = load_settings(given).settings.acceptance_reports_dir

    def run_suite(words: Sequence[str]) -> int:
        try:
            run.main([*(f"--define={define}" for define in defines), *words], standalone_mode=False)
        except SystemExit as end:
            return int(end.code or 0)
        return EXIT_PASSED

    sys.exit(compare_targets(old, new, options, reports, run_suite))


@main.command()
@click.option("--fault", "ids", multiple=True, metavar="ID", help="Only this fault, may be repeated.")
@click.option(
    "--capability", "capabilities", multiple=True, metavar="NAME", help="Only the faults of this one."
)
@click.option(
    "--every", type=Number(), default=1, metavar="N", help="HTTP faults in each N-th exchange only."
)
@click.option("--target", metavar="WHICH", help="auto, real, reference, a URL, or the path of a program.")
@click.option("--jobs", "-j", type=Number(), default=3, show_default=True, metavar="N", help="Runs at once.")
@click.option(
    "--reports-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of proof.json and proof.md (default: proof/ below that of the reports).",
)
@click.option("--repeat", type=Number(), default=1, metavar="N", help="Each harmless variant N times.")
@click.option(
    "--narrow", is_flag=True, help="Only the expected checks, also for a fault that they do not detect."
)
@click.option("--list", "only_list", is_flag=True, help="List the faults; run nothing.")
@click.option(
    "--blind",
    is_flag=True,
    help="Mechanical changes of the target's own responses, in place of the catalogue.",
)
@click.option(
    "--each",
    type=click.IntRange(0),
    metavar="N",
    help="With --blind: so many changes of each kind and field of a check (default: 1); 0: all.",
)
@click.option("--check", "checks", multiple=True, metavar="PATTERN", help="With --blind: only these checks.")
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def prove(  # noqa: PLR0913 - click passes each option as an argument
    ids: tuple[str, ...],
    capabilities: tuple[str, ...],
    every: int,
    target: str | None,
    jobs: int,
    reports_dir: Path | None,
    each: int | None,
    checks: tuple[str, ...],
    repeat: int,
    *,
    narrow: bool,
    only_list: bool,
    blind: bool,
    defines: tuple[str, ...],
) -> None:
    """Inject the faults of the catalogue, one after another, and report which of them the suite detects.

    \b
    With --blind, each conformance check is run once on the target, and then on its responses with one
    change each; blind-faults.json has the mutation score. Exit code 0 from 95 %, 1 below.

    \b
    Exit codes: 0 each fault was detected and no harmless variant was, 1 otherwise, 2 wrong usage,
    settings or target, 4 the suite itself could not run.
    """
    enter_suite_folder()
    from support.fault_injection.catalogue import chosen
    from support.fault_injection.proof_command import ProofOptions, ProveCommand
    from support.reporting.fault_evidence import FOLDER
    from support.runner import selection
    from support.settings import load_settings

    _require_used(
        {
            "--blind": blind,
            "--fault": bool(ids),
            "--capability": bool(capabilities),
            "--every": every > 1,
            "--repeat": repeat > 1,
            "--narrow": narrow,
            "--list": only_list,
            "--check": bool(checks),
            "--each": each is not None,
        }
    )
    if only_list:
        for fault in chosen(ids, capabilities):
            click.echo(f"{fault.id}  ({fault.capability}, {fault.means})  {fault.does}")
        return
    chosen(ids, capabilities)
    _exit_at_signals()
    settings = _by_name(defines)
    chosen_target = selection.target_settings(target) if target is not None else []
    by_option = _by_name(chosen_target)
    origins = {name.removeprefix("option."): by_option.pop(name) for name in [*by_option] if "." in name}
    resolved = load_settings(settings | by_option, origins)
    reports = user_path(reports_dir) if reports_dir else resolved.settings.acceptance_reports_dir / FOLDER
    if blind:
        from support.fault_injection.blind_command import prove_blind

        number = 1 if each is None else each
        sys.exit(prove_blind(resolved, reports, checks=checks, each=number, jobs=jobs, show=click.echo))
    command = ProveCommand(
        resolved,
        defines,
        jobs=jobs,
        reports=reports,
        main=main,
        print_line=click.echo,
    )
    words = ["acceptance", "prove", *(f"--fault {name}" for name in ids)]
    words += [*(f"--capability {name}" for name in capabilities), *([f"--every {every}"] * (every > 1))]
    words += [f"--target {target}"] if target else []
    words += [*([f"--repeat {repeat}"] * (repeat > 1)), *(["--narrow"] * narrow)]
    options = ProofOptions(every, narrow=narrow, repeat=repeat)
    sys.exit(command.prove(ids, capabilities, options, " ".join(words)))


# Options of `acceptance prove` that the first of a row makes useless, and what to do.
_USELESS = (
    (
        "--blind",
        ("--fault", "--capability", "--every", "--repeat", "--narrow", "--list"),
        "--blind has no --fault, --capability, --every, --repeat, --narrow or --list; choose with --check",
    ),
    ("--list", ("--every", "--repeat", "--narrow"), "--list runs nothing: leave out {0}"),
    ("--every", ("--repeat",), "--every injects no harmless variants to repeat: leave out one of the two"),
)
_OF_BLIND = {
    "--check": "choose faults with --fault",
    "--each": "--every has the faults in fewer exchanges",
}


def _require_used(given: Mapping[str, bool]) -> None:
    """Raises `SettingsError` for an option of `acceptance prove` that would be ignored."""
    for name, instead in _OF_BLIND.items():
        if given[name] and not given["--blind"]:
            raise SettingsError(f"prove: {name} is for --blind; {instead}")
    for name, others, text in _USELESS:
        ignored = [other for other in others if given[other]]
        if given[name] and ignored:
            raise SettingsError(f"prove: {text.format(', '.join(ignored))}")


@main.command()
@click.argument("name", metavar="ID")
@click.option("--reason", required=True, help="Why the failure may be accepted.")
@click.option("--until", required=True, metavar="DATE", help="The last day, for example 2027-03-31.")
@click.option("--owner", help="Who accepts it (default: the user).")
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def accept(name: str, reason: str, until: str, owner: str | None, defines: tuple[str, ...]) -> None:
    """Accept a failure until a date: it no longer counts for the decision.

    \b
    ID is the id of a check or the title of a scenario. The entry is added to accepted.toml
    (setting acceptance_accepted), with its failure in the last run: another one counts.
    """
    enter_suite_folder()
    import getpass

    from support.reporting.files import write_atomically
    from support.results.accepted_issues import AcceptedIssue, AcceptedIssues, failure_in, parse_date
    from support.runner import entry_point, rerun
    from support.runner.checks_of_scenarios import require_acceptable

    # With the configuration of behave, which has the form of titles.
    settings = entry_point.settings_of([f"--define={setting}" for setting in defines])
    accepted = AcceptedIssues.load(settings.acceptance_accepted)
    try:
        failure = failure_in(rerun.tests_of_last_run(settings.acceptance_reports_dir), name)
        entry = AcceptedIssue.of(name, reason, owner or getpass.getuser(), parse_date(until), failure)
    except ValueError as error:
        raise SettingsError(f"accept: {error}") from None
    if entry.until < datetime.now().astimezone().date():
        raise SettingsError(f"accept: --until {until} is over; give today or a later day")
    require_acceptable(name)
    text = accepted.added(entry)
    try:
        write_atomically(accepted.file, text.encode())
    except OSError as error:
        raise SettingsError(
            f"accept: {accepted.file} cannot be written ({problem_of(error)}); choose another file with "
            "-D acceptance_accepted=FILE"
        ) from None
    click.echo(f"{accepted.file}: {name!r} is {entry}")
    click.echo(
        f"as long as it fails so: {failure}" if failure else "however it fails: the last run has no failure"
    )


@main.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("certificate"),
    show_default=True,
    metavar="FOLDER",
    help="The new folder.",
)
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def certify(folders: tuple[Path, ...], output: Path, defines: tuple[str, ...]) -> None:
    """Make a certificate of the last run: one folder that `acceptance verify` can check anywhere.

    \b
    FOLDER: a folder of reports, by default that of the settings; several for several runs of one
    program. The certificate has the reports, the raw results, the evidence, the command, the settings,
    the machine, versions and SHA-256 of program, models and suite. Use the settings of the run. Exit
    code 0 for GO and NO-GO, 2 when there is no complete run, or something has changed since.
    """
    enter_suite_folder()
    from support.certificate.certify import certify as make
    from support.settings import load_settings

    resolved = load_settings(_by_name(defines))
    reports = [user_path(folder) for folder in folders] or [resolved.settings.acceptance_reports_dir]
    click.echo(make(resolved, reports, user_path(output)))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--manifest", metavar="SHA256", help="What `acceptance certify` has printed.")
def verify(folder: Path, manifest: str | None) -> None:
    """Verify a certificate: that nothing was changed, and that its decision is that of its raw results.

    \b
    Exit codes: 0 unchanged (whatever the decision is), 1 changed or contradictory, 2 no certificate,
    or a file of it cannot be read. Without --manifest, a certificate whose manifest was made again
    after a change is found only where its reports contradict its raw results.
    """
    from support.certificate.verify import verify as check

    # An empty one is a variable that is not set: it may not pass for none.
    if manifest is not None and not re.fullmatch("[0-9a-f]{64}", manifest):
        raise SettingsError(
            f"verify: --manifest {manifest!r}: give the 64 hexadecimal digits that "
            "`acceptance certify` has printed"
        )
    found = check(folder, manifest or "")
    click.echo(found)
    sys.exit(found.exit_code)


@main.command()
@click.option("--target", required=True, metavar="URL", help="The server to measure.")
@click.option("--model", required=True, metavar="NAME", help="The name of a model there.")
@click.option("--api", type=click.Choice(["openai", "ollama"]), default="openai", show_default=True)
@click.option(
    "--users", type=Numbers(int), metavar="N[,N...]", help="Closed loop: each sends its next request at once."
)
@click.option("--rate", type=Numbers(float), metavar="R[,R...]", help="Open loop: R requests per second.")
@click.option(
    "--arrivals",
    type=click.Choice(["constant", "poisson", "ramp"]),
    default="constant",
    show_default=True,
    help="Of an open loop. A ramp reaches its rate after --seconds.",
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Replay recorded requests (JSON lines).",
)
@click.option("--turns", type=Number(), metavar="N", help="Users have conversations of N requests.")
@click.option(
    "--cancelled-share",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="SHARE",
    help="So many clients leave at the first token, 0.1 for a tenth.",
)
@click.option("--requests", type=Number(), metavar="N", help="Measure N requests.")
@click.option("--seconds", type=click.FloatRange(0), metavar="S", help="Measure what is sent in S seconds.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Of one request: one that takes longer has failed.",
)
@click.option(
    "--warm-up", "warm_up_seconds", type=click.FloatRange(0), metavar="S", help="At least S seconds."
)
@click.option("--prompt-words", type=Numbers(int), default="16", show_default=True, metavar="N[,N...]")
@click.option("--output-tokens", type=Numbers(int), default="64", show_default=True, metavar="N[,N...]")
@click.option(
    "--prefix-words", type=Number(), metavar="N", help="N words before those, the same in each prompt."
)
@click.option("--system", metavar="TEXT", help="The system message of each request.")
@click.option("--question", metavar="TEXT", help="The end of each prompt.")
@click.option("--goodput", metavar="LIMITS", help="The share of requests within 'ttft < 500ms, tpot < 30ms'.")
@click.option(
    "--find-limit",
    metavar="LIMITS",
    help="The largest load within 'ttft p95 < 500ms, tpot p95 < 30ms': doubled, then bisected.",
)
@click.option("--against", metavar="URL", help="A second server: compare both in rounds, in alternation.")
@click.option("--against-model", metavar="NAME", help="The name of the same model there.")
@click.option("--against-api", type=click.Choice(["openai", "ollama"]), help="Of the second server.")
@click.option("--rounds", type=Number(), metavar="N", help="Of a comparison (default: 10).")
@click.option("--workers", type=Number(), metavar="N", help="Send it from N processes of `load-worker`.")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    metavar="ADDRESS:PORT",
    help="Where workers connect (default: a free port of 127.0.0.1).",
)
@click.option(
    "--worker-wait",
    type=click.FloatRange(0, 3600, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Until all workers have connected.",
)
@click.option("--seed", type=int, metavar="N", help="Of arrivals and of prompts, but for their salt.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where records, figures, plots and a page about the target are written; made if it is missing.",
)
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def load(  # noqa: PLR0913 - click passes each option as an argument
    target: str,
    folder: Path | None,
    trace: Path | None,
    defines: tuple[str, ...],
    against: str | None,
    against_model: str | None,
    against_api: Any,
    rounds: int | None,
    **given: Any,
) -> None:
    """Measure latency and throughput of a running server under a load of streamed chat requests.

    \b
    Prints percentiles, throughput, and how well they were measured; docs/metrics.md has the formulas.
    Several numbers of users, rates or lengths are a sweep, in random order.
    target_api_key is sent as a bearer token. Exit code 1 when a measured request has failed.
    With --against: ratios of both servers; exit code 3 when they did not do the same work.
    With --workers: exit code 4 when a worker was lost, was late or has not come.
    """
    import tempfile

    from support.performance.comparison_command import Against, compare_servers, default_load
    from support.performance.distributed.master import workers_for
    from support.performance.limit_texts import parse_limits, parse_percentiles
    from support.performance.load.trace import read_trace
    from support.performance.load_command import LoadCommand, grid, require_one_load
    from support.performance.target_facts import facts_of, local_process
    from support.programs.run_directory import temp_prefix
    from support.settings import load_settings

    settings = _by_name(defines)
    settings |= {"acceptance_target": "auto", "target_url": target}
    in_force = load_settings(settings).settings
    key = in_force.api_key
    goodput, limits = (given.pop(name) for name in ("goodput", "find_limit"))
    workers, listen, within = (given.pop(name) for name in ("workers", "listen", "worker_wait"))
    goodput = parse_limits(goodput) if goodput else None
    limits = parse_percentiles(limits) if limits else None
    if limits and not any(given[name] for name in ("users", "rate")):
        given["users"] = (1,)
    given = {name: value for name, value in given.items() if value is not None}
    second = Against(against, against_model, against_api, rounds)
    is_comparison = second.require_whole(limits=limits is not None, goodput=goodput is not None)
    if is_comparison and trace is None:
        given = default_load(given)
    axes = {name: value for name, value in given.items() if isinstance(value, tuple)}
    base = {name: value for name, value in given.items() if name not in axes}
    base |= {"url": target, "key": key, "trace": read_trace(trace) if trace else ()}
    if limits and not {"requests", "seconds"} & base.keys():
        # Of each load as many as its percentile needs.
        base["requests"] = 1
    plans = list(grid(base, axes))
    plan = require_one_load(plans) if limits else None
    if is_comparison and workers:
        raise SettingsError("--against compares two servers from this machine, without --workers")
    _make_folder(folder)
    _exit_at_signals()
    if is_comparison:
        sys.exit(compare_servers(plans, second, folder, in_force.load_history, click.echo))
    with (
        tempfile.TemporaryDirectory(prefix=temp_prefix()) as own,
        workers_for([] if limits else plans, workers, listen, within, click.echo) as by_workers,
    ):
        command = LoadCommand(folder or Path(own), click.echo, goodput, by_workers)
        found = command.find_limit(plan, limits) if plan and limits else None
        failed = command.send(plans) if found is None else found.largest_pass is None
        one = plans[0]
        facts = facts_of(target, one.model, one.api, key, local_process(target))
        # The history is that of this machine as the client.
        if found is not None and limits and not workers:
            command.keep_limit(found, limits, in_force.load_history, facts)
        elif not workers:
            command.keep(in_force.load_history, facts)
        if reasons := command.contradictions():
            raise AcceptanceError(f"the report contradicts its own records: {'; '.join(reasons)}")
    if failed:
        sys.exit(EXIT_FAILED)


@main.command("load-worker")
@click.option("--master", required=True, metavar="ADDRESS:PORT", help="Where `acceptance load` listens.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600, min_open=True),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Until the master has answered.",
)
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def load_worker(master: str, wait: float, defines: tuple[str, ...]) -> None:
    """Send loads for `acceptance load --workers` on another machine, until it ends.

    target_ca_file is that of this machine. Exit code 4 when the master does not answer, is gone, or has ended
    for an error; 2 when it does not take this worker.
    """
    from support.monitoring.metrics_endpoint import parse_address
    from support.performance.distributed.worker import work
    from support.settings import load_settings

    load_settings(_by_name(defines))
    address = parse_address(master, "--master")
    if not address.port:
        raise SettingsError(f"--master {master!r}: give the port that `acceptance load` has printed")
    _exit_at_signals()
    work(address.host, address.port, wait, click.echo)


@main.command()
@click.option(
    "--accept", type=Number(), metavar="N", help="Later loads are compared with load N of the list."
)
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def history(accept: int | None, defines: tuple[str, ...]) -> None:
    """List the measured loads of this and earlier runs, with the steps of their figures.

    \b
    Setting performance_history is the file. The first valid load of a machine, program, model and
    load is accepted: later ones are compared with it until another one is accepted.
    """
    from support.performance.load_history import LoadHistory
    from support.performance.regression import history_lines
    from support.settings import load_settings

    given = _by_name(defines)
    kept = LoadHistory.read(load_settings(given).settings.load_history, click.echo)
    if accept is not None:
        click.echo(f"accepted: {kept.accept(accept).label}")
        return
    for line in history_lines(kept):
        click.echo(line)
    if not kept.entries:
        click.echo(f"{kept.file}: no load yet")


@main.command()
@click.argument(
    "part",
    metavar="NAME",
    type=click.Choice(
        [
            *("mistralrs", "ollama", "llama-cpp-python", "aider", "cecli", "allure", "node", "smollm2"),
            *("prometheus", "prometheus-3", "alertmanager", "grafana-components"),
            *("mcp-conformance", "openai-tests", "anthropic-tests", "openresponses-types", "ollama-tests"),
        ]
    ),
)
def get(part: str) -> None:
    """Install an external program or model in the cache, if it is missing."""
    from support.programs.registry import get_program
    from support.servers.preconditions import require_model_folder
    from support.settings import load_settings

    # A build ends its processes then, and keeps what it has compiled.
    _exit_at_signals()
    settings = load_settings().settings
    require_model_folder(settings.acceptance_cache_dir / "models")
    click.echo(get_program(part, settings, click.echo))


@main.command()
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A threshold or label, may be repeated."
)
def rules(parameters: Sequence[str]) -> None:
    """Print alerts and recorded series for mistral.rs as a rules file of Prometheus.

    docs/runbook.md describes what to do when each fires.
    """
    from support.monitoring.alert_rules import parse_parameters, rules_file

    click.echo(rules_file(parse_parameters(parameters)), nl=False)


@main.command()
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A threshold or label, may be repeated."
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write files for Grafana's provisioning.",
)
@click.option("--prometheus", metavar="URL", help="Where Grafana reaches Prometheus; required with --folder.")
@click.option("--scrape-interval", default="15s", show_default=True, help="That of Prometheus, for --folder.")
def dashboard(
    parameters: Sequence[str], folder: Path | None, prometheus: str | None, scrape_interval: str
) -> None:
    """Print a Grafana dashboard for mistral.rs as JSON, or write it with its data source into a folder."""
    from support.monitoring.alert_rules import parse_parameters
    from support.monitoring.dashboard import dashboard_text, default_parameters, write_provisioning

    values = parse_parameters(parameters, default_parameters(), "the dashboard")
    if folder is None:
        click.echo(dashboard_text(values), nl=False)
        return
    if not prometheus:
        raise SettingsError("--prometheus is missing; give the URL at which Grafana reaches Prometheus")
    if not re.fullmatch(r"https?://[^\s/@]+(?:/\S*)?", prometheus):
        raise SettingsError(
            "--prometheus: give an http or https address without a password, such as http://HOST:9090"
        )
    if not re.fullmatch(r"(?:\d+(?:ms|[smh]))+", scrape_interval) or not re.search("[1-9]", scrape_interval):
        raise SettingsError(f"--scrape-interval {scrape_interval}: give a duration such as 15s")
    try:
        written = write_provisioning(folder, prometheus, scrape_interval, values)
    except OSError as error:
        raise SettingsError(f"--folder {folder}: {problem_of(error)}") from None
    for path in written:
        click.echo(path)


def _make_folder(folder: Path | None) -> None:
    """For `--folder`; raises `SettingsError` where it cannot be made."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--folder {folder}: {problem_of(error)}") from None


@main.command()
@click.option("--target", required=True, metavar="URL", help="The server to check.")
@click.option("--every", default="60s", show_default=True, metavar="DURATION", help="From round to round.")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    metavar="ADDRESS:PORT",
    help="Where the metrics are served (default: a free port of 127.0.0.1).",
)
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
def probe(target: str, every: str, listen: str, defines: tuple[str, ...]) -> None:
    """Repeat four checks on a running server, with the results as metrics for Prometheus.

    \b
    A round is four requests, one after the other, with at most 16 generated tokens, after those that
    identify the server; it changes nothing. Ctrl-C or SIGTERM stops it with exit code 0.
    `acceptance rules` has alerts for it.
    """
    from support.monitoring.metrics_endpoint import parse_address, served
    from support.probe.prober import Prober, parse_interval
    from support.settings import load_settings

    if "://" not in target:
        raise SettingsError(f"--target {target!r}: the probe checks a server that runs; give its URL")
    given = _by_name(defines)
    given |= {"acceptance_target": "auto", "target_url": target}
    interval, address = parse_interval(every), parse_address(listen)
    prober = Prober(load_settings(given).settings, interval, _log)
    with _until_stopped(), served(prober.metrics.registry, address) as url:
        _log(f"metrics: {url}")
        prober.run(threading.Event().wait)


@main.command()
@click.option("--target", metavar="URL", help="A server on this machine; its process is that which listens.")
@click.option("--pid", type=Number(), metavar="N", help="The process, instead of a target.")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    metavar="ADDRESS:PORT",
    help="Where the metrics are served (default: a free port of 127.0.0.1).",
)
def exporter(target: str | None, pid: int | None, listen: str) -> None:
    """Serve the resource use of a server's process, and of the GPUs, as metrics for Prometheus.

    mistral.rs has no such metrics of its own. With --target the process that listens next is the successor of
    one that has ended; with --pid this ends with it. Ctrl-C or SIGTERM stops it with exit code 0.
    """
    from urllib.parse import urlsplit

    import psutil

    from support.monitoring.metrics_endpoint import parse_address, served
    from support.monitoring.process_metrics import ListeningProcess, process_registry, require_own_address

    address, listening = parse_address(listen), None
    if (target is None) == (pid is None):
        raise SettingsError("give --target with the URL of a server on this machine, or --pid")
    if pid is None:
        try:
            port = urlsplit(target or "").port
        except ValueError:
            port = None
        if port is None:
            raise SettingsError(f"--target {target!r}: give a URL with a port, such as http://HOST:PORT")
        require_own_address(urlsplit(target or "").hostname or "")
        listening = ListeningProcess(port)
    elif not psutil.pid_exists(pid):
        raise SettingsError(f"--pid {pid}: no such process")
    registry = process_registry(lambda: listening.pid() if listening else pid)
    with _until_stopped(), served(registry, address) as url:
        _log(f"metrics of process {listening.pid() if listening else pid}: {url}")
        if listening:
            threading.Event().wait()
        psutil.Process(pid).wait()
        raise TargetError(f"process {pid} has ended; start this again for its successor")


@contextmanager
def _until_stopped() -> Iterator[None]:
    """SIGINT and SIGTERM end the block, and nothing else."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        yield
    except KeyboardInterrupt:
        _log("stopped")


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """Ends the request that is open; a second signal does nothing more."""
    _ignore_signals()
    raise KeyboardInterrupt


def _log(line: str) -> None:
    click.echo(redact(f"{datetime.now().astimezone():%Y-%m-%dT%H:%M:%S%z} {' '.join(line.split())}"))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def doctor(*, as_json: bool) -> None:
    """List what a run may use, what is installed, and how to install the rest.

    Exit code 1 when something is missing that every run requires.
    """
    from support.doctor import examine
    from support.settings import load_settings

    findings = []
    for finding in examine(load_settings().settings):
        findings.append(finding)
        if not as_json:
            click.echo(finding.line())
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.required and not finding.available for finding in findings):
        sys.exit(EXIT_FAILED)


@main.command()
def settings() -> None:
    """Show all settings, their values and where they come from."""
    from support.settings import Settings, load_settings

    rows = load_settings().table()
    for name, value, origin in rows:
        click.echo(f"{name} = {value} (from {origin})")
        click.echo(f"    {Settings.model_fields[name].description}")


@main.command()
@click.option("--format", "format_name", type=click.Choice(["GGUF", "SafeTensors", "GGML"]), default="GGUF")
@click.option(
    "--embedding", is_flag=True, help="The embedding model: GGUF for llama.cpp, SafeTensors for mistral.rs."
)
def model(format_name: str, *, embedding: bool) -> None:
    """Make the scripted model if it is missing and print its path, to serve it yourself."""
    from support.models.script import Script
    from support.models.store import ModelStore
    from support.servers.launch_plans import FORMATS
    from support.servers.preconditions import require_model_folder
    from support.settings import load_settings

    cache: Path = load_settings().settings.acceptance_cache_dir / "models"
    if embedding and format_name == "GGML":
        raise click.UsageError("there is no embedding model in the format GGML: choose GGUF or SafeTensors")
    require_model_folder(cache)
    models, format = ModelStore(cache), FORMATS[format_name]
    made = models.embedding(format) if embedding else models.scripted(Script.standard(), format=format)
    click.echo(made.path)
