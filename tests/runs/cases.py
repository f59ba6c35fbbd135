"""The runs that the tests check. All are made once, a few at a time: starting one takes a second or two."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.settings import default_cache
from tests.runs import toy_suite
from tests.runs.launching import ACCEPTANCE, BEHAVE, HERE, ROOT, WORKERS, Launched, Run

AT_ONCE = 4
SECRET_KEY, SECRET_PASSWORD = "toy-key-0f9a8b7c6d", "toy-password-5e4f3a2b"


@dataclass(frozen=True)
class Case:
    """One run. `program` None: as `environment` says. `real`: the suite itself, not the toy one."""

    command: tuple[str, ...]
    words: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ("It passes",)
    files: Mapping[str, str] | None = None
    program: str | None = "good"
    executable: bool = True
    environment: Mapping[str, str] | None = None
    known_issue: str | None = None
    signals: tuple[tuple[str, int], ...] = ()
    all_processes: bool = False
    real: bool = False
    prepare: Callable[[Path], object] | None = None

    def run(self, folder: Path) -> Run:
        environment = {"GITHUB_STEP_SUMMARY": str(folder / "job.md"), **(self.environment or {})}
        words, place = list(self.words), folder
        if self.real:
            words += ["-D", "acceptance_html=false", "-D", f"acceptance_reports_dir={folder / 'reports'}"]
            place = ROOT
        else:
            environment["ACCEPTANCE_HTML"] = "false"
            scenarios = () if self.files else self.scenarios
            toy_suite.make(folder, *scenarios, files=self.files, known_issue=self.known_issue)
        if self.program is not None and "TARGET_URL" not in environment and not self.real:
            program = toy_suite.program(folder, self.program, executable=self.executable)
            environment["MISTRALRS_BIN"] = str(program)
        if self.prepare is not None:
            self.prepare(folder)
        launched = Launched(folder, [*self.command, *words], environment, cwd=place)
        try:
            for mark, number in self.signals:
                launched.signal_when(mark, number, all_processes=self.all_processes)
        finally:
            run = launched.end()
        return run


def stale(folder: Path) -> None:
    """Evidence of an earlier run."""
    old = folder / "reports" / "evidence" / "chat_1"
    old.mkdir(parents=True)
    (old / "settings.txt").write_text("old")


def default_formatter(name: str) -> Callable[[Path], object]:
    """Configures the formatter of the terminal."""

    def prepare(folder: Path) -> None:
        file = folder / "pyproject.toml"
        file.write_text(file.read_text().replace('default_format = "live"', f'default_format = "{name}"'))

    return prepare


def shell(script: str, command: tuple[str, ...] = ACCEPTANCE) -> tuple[str, ...]:
    """A command as the arguments of a shell script."""
    return ("bash", "-o", "pipefail", "-c", script, "script", *command)


def url(port: int, path: str = "", user: str = "") -> dict[str, str]:
    return {"TARGET_URL": f"http://{user}127.0.0.1:{port}{path}"}


def cases(api: int, mute: int, closed: int) -> dict[str, Case]:
    """By name; those that wait longest come first. With the ports of three servers (`servers.py`)."""
    reference = ("-D", "acceptance_target=reference")
    secret = {**url(api, user=f"operator:{SECRET_PASSWORD}@"), "TARGET_API_KEY": SECRET_KEY}
    key_only = {**url(api), "TARGET_API_KEY": SECRET_KEY}
    cache = {"ACCEPTANCE_CACHE_DIR": os.environ.get("ACCEPTANCE_CACHE_DIR") or str(default_cache())}
    return {
        "hangs on --version": Case(BEHAVE, program="hanging"),
        "silent URL": Case(ACCEPTANCE, environment=url(mute)),
        "real secret key": Case(
            ACCEPTANCE, ("features/openai_api",), environment=key_only, real=True, prepare=stale
        ),
        "real secret password": Case(
            BEHAVE, ("features/openai_api/models.feature",), environment=secret, real=True
        ),
        "prints the key": Case(
            ACCEPTANCE, scenarios=("It prints the key",), environment={"TARGET_API_KEY": SECRET_KEY}
        ),
        "real terminated": Case(
            ACCEPTANCE,
            (*reference, "features/openai_api"),
            environment=cache,
            signals=(("reports/records.jsonl", signal.SIGTERM),),
            real=True,
        ),
        # A scenario without a limit of time: other runs go on beside this one.
        "real passes": Case(
            BEHAVE,
            (*reference, "-n", "prints its usage", "features/binary_health/identity.feature"),
            real=True,
        ),
        "real lacks needs": Case(
            ACCEPTANCE, ("features/binary_health/identity.feature",), environment=url(api), real=True
        ),
        # -- how scenarios end
        "passes by behave": Case(BEHAVE),
        "passes by acceptance": Case(ACCEPTANCE, scenarios=("It passes", "It passes as well")),
        "fails by behave": Case(BEHAVE, scenarios=("It passes", "It fails")),
        "every way": Case(
            ACCEPTANCE,
            scenarios=(
                "It fails",
                "It breaks",
                "It is undefined",
                "Its hook breaks",
                "Its hook finds a defect",
                "It passes",
            ),
        ),
        "undefined": Case(BEHAVE, scenarios=("It is undefined",)),
        "cleanup breaks": Case(BEHAVE, scenarios=("Its cleanup breaks",)),
        "sys.exit": Case(BEHAVE, scenarios=("It calls sys.exit", "It passes")),
        "before_all": Case(ACCEPTANCE, ("-D", "toy.breaks=before_all")),
        "after_all": Case(BEHAVE, ("-D", "toy.breaks=after_all")),
        "before_feature": Case(ACCEPTANCE, ("-D", "toy.breaks=before_feature")),
        "leaves a child process": Case(ACCEPTANCE, scenarios=("It leaves a child process",)),
        "known issue": Case(ACCEPTANCE, scenarios=("It fails", "It passes"), known_issue="It fails"),
        "known issue of a hook": Case(
            ACCEPTANCE,
            scenarios=("Its hook finds a defect", "It passes"),
            known_issue="Its hook finds a defect",
        ),
        "fixed issue": Case(BEHAVE, scenarios=("It passes", "It passes as well"), known_issue="It passes"),
        "skipped": Case(
            ACCEPTANCE, scenarios=("It is skipped half-way", "It is skipped at its end", "It passes")
        ),
        "skipped, strict": Case(ACCEPTANCE, ("--strict",), scenarios=("It is skipped at its end",)),
        "interrupted": Case(
            BEHAVE, scenarios=("It waits", "It passes"), signals=(("waiting", signal.SIGINT),)
        ),
        "terminated": Case(
            ACCEPTANCE, scenarios=("It waits", "It passes"), signals=(("waiting", signal.SIGTERM),)
        ),
        "interrupted twice": Case(
            ACCEPTANCE,
            scenarios=("It cleans for long",),
            signals=(("waiting", signal.SIGINT), ("lingering", signal.SIGINT)),
        ),
        "interrupted in C": Case(
            ACCEPTANCE,
            scenarios=("It never returns from C", "It passes"),
            signals=(("reports/records.jsonl", signal.SIGINT),),
        ),
        # -- where the output goes
        "reader ends": Case(shell('"$@" | head -n 1')),
        "output closed": Case(shell('"$@" <&- >&-')),
        "output closed by behave": Case(shell('"$@" >&-', BEHAVE), scenarios=("It fails",)),
        "output full": Case(shell('"$@" > /dev/full')),
        # -- what takes too long
        "over budget": Case(
            BEHAVE,
            scenarios=(
                "It sleeps for ever",
                "It loops for ever",
                "It reads a stream without end",
                "Its hook hangs",
                "It passes",
            ),
        ),
        "over budget and failed": Case(ACCEPTANCE, scenarios=("It sleeps for ever", "It fails")),
        "never returns": Case(ACCEPTANCE, scenarios=("It never returns from C", "It passes")),
        "never returns, here": Case(HERE, scenarios=("It never returns from C", "It passes")),
        # -- what behave would pass, or crash at
        "process ends by behave": Case(BEHAVE, files=toy_suite.dying("the process ends at once")),
        "process ends by acceptance": Case(ACCEPTANCE, files=toy_suite.dying("the process ends at once")),
        "process killed": Case(BEHAVE, files=toy_suite.dying("the process is killed")),
        "killed at import": Case(ACCEPTANCE, ("-D", "toy.killed=import")),
        "killed in before_all": Case(BEHAVE, ("-D", "toy.killed=before_all")),
        "killed between features": Case(
            ACCEPTANCE, ("-D", "toy.killed=after_feature"), scenarios=("It passes", "It passes as well")
        ),
        "async": Case(ACCEPTANCE, scenarios=("It awaits for ever", "It awaits a moment", "It passes")),
        "async cleanup": Case(BEHAVE, scenarios=("Its cleanup is async", "It passes")),
        "async hook": Case(
            BEHAVE,
            prepare=lambda folder: (folder / "environment.py").write_text(toy_suite.ASYNC_HOOK),
        ),
        "formatter raises": Case(BEHAVE, ("-f", "toy_formatter:Raising"), files=toy_suite.WITH_BACKGROUND),
        "formatter cannot start": Case(
            ACCEPTANCE, ("-D", "toy.start=true"), prepare=default_formatter("toy_formatter:Raising")
        ),
        "formatters chosen": Case(
            BEHAVE, ("-f", "json", "-o", "own.json", "-f", "plain"), scenarios=("It passes", "It fails")
        ),
        "here": Case(HERE, files={"b": toy_suite.dying("1 is 2")["b"]}),
        "breakpoint": Case(HERE, scenarios=("It is looked at", "It passes")),
        "workers by behave": Case(
            BEHAVE, ("-j", "2"), files={name: toy_suite.MANY[name] for name in ("c", "d")}
        ),
        "here by behave": Case(
            BEHAVE, scenarios=("It passes", "It fails"), environment={"ACCEPTANCE_JOBS": "0"}
        ),
        "first failure": Case(ACCEPTANCE, ("--fail-fast",), files=toy_suite.FIRST_FAILS),
        "first failure, here": Case(HERE, ("--fail-fast",), files=toy_suite.FIRST_FAILS),
        "all processes terminated": Case(
            BEHAVE,
            scenarios=("It waits", "It passes"),
            signals=(("waiting", signal.SIGTERM),),
            all_processes=True,
        ),
        "server hangs": Case(ACCEPTANCE, ("-D", f"toy.url=http://127.0.0.1:{mute}"), files=toy_suite.HANGING),
        "server hangs, workers": Case(
            WORKERS, ("-D", f"toy.url=http://127.0.0.1:{mute}"), files=toy_suite.HANGING_THREE
        ),
        # -- with workers
        "workers": Case(WORKERS, files=toy_suite.MANY),
        "workers apart": Case(WORKERS, files=toy_suite.APART),
        "worker ends at once": Case(WORKERS, files=toy_suite.dying("the process ends at once")),
        "worker killed": Case(WORKERS, files=toy_suite.dying("the process is killed")),
        "worker killed in a group": Case(
            WORKERS, files=toy_suite.dying("the process is killed in the second of three checks")
        ),
        "workers fail": Case(WORKERS, scenarios=("It passes", "It fails", "Its cleanup breaks")),
        "workers before_all": Case(
            WORKERS, ("-D", "toy.breaks=before_all"), scenarios=("It passes", "It passes as well")
        ),
        "workers, first failure": Case(WORKERS, ("--fail-fast",), files=toy_suite.FIRST_FAILS),
        "workers, over budget": Case(WORKERS, scenarios=("It loops for ever", "It passes")),
        "workers interrupted": Case(
            WORKERS, scenarios=("It waits", "It passes"), signals=(("waiting", signal.SIGINT),)
        ),
        "workers terminated": Case(
            WORKERS, scenarios=("It waits", "It passes"), signals=(("waiting", signal.SIGTERM),)
        ),
        "workers interrupted twice": Case(
            WORKERS,
            scenarios=("It cleans for long", "It passes"),
            signals=(("waiting", signal.SIGINT), ("lingering", signal.SIGINT)),
        ),
        "coordinator killed": Case(
            WORKERS, scenarios=("It waits", "It passes"), signals=(("waiting", signal.SIGKILL),)
        ),
        "workers, one port": Case(WORKERS, ("-D", "test_port=28431"), files=toy_suite.APART),
        # -- rejected before anything starts
        "unknown setting": Case(BEHAVE, ("-D", "test_prot=8080")),
        "optimised by behave": Case(BEHAVE, scenarios=("It fails",), environment={"PYTHONOPTIMIZE": "1"}),
        "optimised by acceptance": Case(
            ACCEPTANCE, scenarios=("It fails",), environment={"PYTHONOPTIMIZE": "2"}
        ),
        "unknown variable": Case(ACCEPTANCE, environment={"ACCEPTANCE_HTLM": "false"}),
        "unknown group": Case(BEHAVE, files=toy_suite.UNKNOWN_GROUP),
        "twins": Case(BEHAVE, files=toy_suite.TWINS),
        "jobs, no number": Case(ACCEPTANCE, ("--jobs", "many")),
        "jobs, too many": Case(BEHAVE, ("-D", "acceptance_jobs=65")),
        "wrong value": Case(ACCEPTANCE, ("-D", "test_port=many")),
        "unknown tag": Case(ACCEPTANCE, ("--tags", "@smok")),
        "broken tag expression": Case(ACCEPTANCE, ("--tags", "smoke and and slow")),
        "nothing selected": Case(BEHAVE, ("--tags", "smoke and slow")),
        "no features": Case(BEHAVE, ("empty",), prepare=lambda folder: (folder / "empty").mkdir()),
        "no such path by behave": Case(BEHAVE, ("features/nowhere.feature",)),
        "no such path by acceptance": Case(ACCEPTANCE, ("openai_api/nowhere",)),
        "broken feature": Case(
            BEHAVE,
            prepare=lambda folder: (folder / "features" / "toy" / "b.feature").write_text("Scenario: lost\n"),
        ),
        "no such program": Case(ACCEPTANCE, program=None, environment={"MISTRALRS_BIN": "nowhere/mistralrs"}),
        "not executable": Case(BEHAVE, executable=False),
        "prints nothing": Case(ACCEPTANCE, program="silent"),
        "unreachable URL": Case(BEHAVE, environment=url(closed, user=f"operator:{SECRET_PASSWORD}@")),
        "port in use": Case(ACCEPTANCE, ("-D", f"test_port={api}")),
        "no Ollama at ollama_api": Case(
            ACCEPTANCE,
            (*reference, "-D", f"ollama_api=http://127.0.0.1:{api}", "features/ollama_api/chat.feature"),
            real=True,
        ),
        "silent ollama_url": Case(
            BEHAVE,
            (*reference, "-D", "ollama_api=ollama", "features/ollama_api/chat.feature"),
            environment={"OLLAMA_URL": f"http://127.0.0.1:{mute}"},
            real=True,
        ),
        "model of no format": Case(
            ACCEPTANCE,
            ("-D", "test_model_path=.", "-D", "test_model_file=x.bin"),
            prepare=lambda folder: (folder / "x.bin").touch(),
        ),
        "no API at URL": Case(ACCEPTANCE, environment=url(api, path="/other")),
        "unwritable reports": Case(
            BEHAVE, prepare=lambda folder: (folder / "reports").write_text("a file, not a folder")
        ),
    }


class Runs:
    """All runs, started at once; access to one waits for its end."""

    def __init__(self, folder: Path, wanted: Mapping[str, Case]) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._runs: dict[str, Future[Run]] = {
            name: self._pool.submit(case.run, self._place(folder, name)) for name, case in wanted.items()
        }

    @staticmethod
    def _place(folder: Path, name: str) -> Path:
        place = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
        place.mkdir()
        return place

    def __getitem__(self, name: str) -> Run:
        return self._runs[name].result()

    def close(self) -> None:
        """Wait for all; none may outlive the tests."""
        self._pool.shutdown(wait=True, cancel_futures=True)


NAMES = tuple(cases(1, 1, 1))
