"""Aider in one scenario: a project, a server, and what Aider does with both.

Aider exits with 0 after nearly every failure (docs/aider.md): a run is judged by the files, the commits, what
Aider printed, and the requests that the proxy before the server has recorded.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from support.aider import cecli
from support.aider.configuration import (
    CONTEXT,
    FLAGS,
    USUAL_FLAGS,
    option_words,
    write_model_metadata,
    write_model_settings,
)
from support.aider.connection import USER_MODEL, connect_to_project_model, connect_to_user_model
from support.aider.evidence import Turn, change_evidence, run_evidence, turn_evidence
from support.aider.exercise_runs import ExerciseRuns
from support.aider.host import READY_SECONDS, AiderHost, aider_environment, start_host
from support.aider.process_watch import ProcessWatch
from support.aider.project import COMMAND_SECONDS, Project, ProjectSource
from support.aider.run import AiderRun, require_local, require_traffic
from support.aider.server import ConnectedServer
from support.aider.server_failures import OLLAMA_FAILURES, SERVER_FAILURES
from support.aider.session import SERVER_DIED, AiderSession
from support.aider.traffic import EDIT, Traffic, aider_requests
from support.aider.unusual_answers import UNUSUAL_ANSWERS
from support.aider.waiting_time import waiting_time
from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed, NotSupported
from support.models.llama import chat_prompt
from support.models.vocabulary import script_vocabulary
from support.programs.aider import AIDER, CECLI, CodingAssistant
from support.programs.install import InstalledProgram
from support.programs.output_limit import MEGABYTE, read_output
from support.programs.process import CompletedCommand, ManagedProcess
from support.reporting.evidence import command_evidence
from support.results.must_check import MustCheck
from support.results.outcome import Evidence
from support.servers.dedicated import DIRECT
from support.units import request_options
from support.waiting import WaitTimeout, wait_until

RUN_SECONDS = 60.0
# Of a capable model, which may be slow.
USER_MODEL_SECONDS = 300.0
# Of Aider until it gives up, after more than a minute (docs/aider.md).
ALL_REPEATS_SECONDS = 200.0
# The first one, and three corrections (aider/coders/base_coder.py, max_reflections).
MOST_EDIT_REQUESTS = 4
# What Aider prints before it repeats a request.
RETRY = "Retrying in"
# For the processes of a run to end, after it was ended.
EXIT_SECONDS = 10.0
# The turns of a session whose times and memory are recorded.
MANY_TURNS = 10
ON_EXERCISES = "works on the exercises"
# Where a configuration file of Aider is, by its names in the features.
PROJECT, HOME = PLACES = ("the project", "the home folder")


class RunEnd(NamedTuple):
    """How a run ended: `stopped`, why the suite ended it; `failure`, why it cannot be judged, or empty."""

    stopped: str = ""
    failure: str = ""


class AiderScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        self._servers = servers
        self._suite = servers.suite
        self._context = servers.context
        self._home = self._context.folder / "home"
        self._connections = self._context.folder / "connections"
        self._connections.write_text("", encoding="utf-8")
        self._project: Project | None = None
        # Its name in the steps.
        self._assistant = AIDER.title
        self._run_seconds = RUN_SECONDS
        # Without a byte of an answer that has begun, where a scenario is about a run that does not end.
        self._answer_seconds: float | None = None
        # Until the suite ends the run; no limit where a scenario is about when Aider itself gives up.
        self._most_requests: float = MOST_EDIT_REQUESTS
        self._watch: ProcessWatch | None = None
        self._server: ConnectedServer | None = None
        self._model = ""
        self._options: Sequence[str] = ()
        # Of the environments of Aider, or cecli, and of the server.
        self._variables: dict[str, str] = {}
        self._server_variables: dict[str, str] = {}
        self.runs: MustCheck[AiderRun] = self._context.must_check("result of Aider")
        self._commands: list[CompletedCommand] = []
        self._session: AiderSession | None = None
        self._session_words: Sequence[str] = ()
        self._expected: list[tuple[str, str]] = []
        self.exercises = ExerciseRuns(self._context, self._home)
        self._context.add_evidence(lambda: command_evidence(self._commands))
        # Also of a scenario that passes: whatever it checks, a reader sees what Aider has done.
        self._context.cleanups.callback(self._attach_evidence)

    # -- what there is before

    def start_project(self, name: str) -> None:
        """Copy a project into a git repository of its own."""
        folder = self._context.folder / "project"
        timeout = self._suite.settings.seconds(COMMAND_SECONDS)
        self._project = Project(ProjectSource.load(name), folder, self._home, timeout)

    @property
    def project(self) -> Project:
        """The project of a Given step."""
        if self._project is None:
            raise CheckFailed("a Given step with a project has to come first")
        return self._project

    def of(self, assistant: str) -> AiderScenario:
        """This one; raises `CheckFailed` when a Given step has connected another program."""
        if assistant != self._assistant:
            raise CheckFailed(f"a Given step that connects {assistant} to a server has to come first")
        return self

    def connect(
        self, server: str, options: Iterable[Mapping[str, str]] | None, assistant: str = AIDER.title
    ) -> None:
        """From now on Aider, or cecli, uses this server, which has the scripted model of the project.

        The options: `context`, tokens of the model; `metadata: false`, Aider has no file with its limits, of
        which the context is `CONTEXT`; `limit`, seconds after which the suite ends a run, without a byte of
        an answer that has begun; `repeats: all`, the suite does not end a run that repeats its request;
        `thinking: true`, the model has thinking in its template; `environment: false` and `model: false`, no
        variables and no option that lead to the server.
        """
        given = request_options(options)
        context = given.get("context", CONTEXT)
        limit = given.get("limit")
        assert isinstance(context, int)
        if isinstance(limit, int):
            self._answer_seconds = self._suite.settings.seconds(limit)
        if server == USER_MODEL:
            self._server, self._run_seconds = connect_to_user_model(self._servers), USER_MODEL_SECONDS
        else:
            self._server = connect_to_project_model(
                self._servers,
                server,
                self.project.source,
                context,
                self._server_variables,
                thinks=bool(given.get("thinking")),
            )
        if given.get("repeats") == "all":
            self._most_requests, self._run_seconds = math.inf, ALL_REPEATS_SECONDS
        self._assistant = assistant
        if assistant == cecli.NAME:
            self._model, variables = cecli.connection(self._server)
            self._run_seconds = cecli.RUN_SECONDS
        else:
            self._model, variables = self._server.aider_model, self._server.variables
        self._variables |= variables if given.get("environment", True) else {}
        self._options = ["--model", self._model] if given.get("model", True) else []
        self._home.mkdir(exist_ok=True)
        write_model_settings(self._home, self._model)
        if given.get("metadata", True):
            write_model_metadata(self._home, self._model)
        if assistant != cecli.NAME:
            # Its start is no part of a run.
            _ = self._host

    def write_file(self, place: str, name: str, text: str) -> None:
        """Write a file of Aider's configuration to `the project` or `the home folder`."""
        folder = self.project.folder if place == PROJECT else self._home
        (folder / name).write_text(f"{self._filled_in(text)}\n", encoding="utf-8")

    def set_variable(self, program: str, name: str, value: str) -> None:
        """Of the environment of Aider or cecli, or of mistral.rs before Aider is connected to it."""
        if program != DIRECT:
            self.of(program)
            self._variables[name] = self._filled_in(value)
        elif self._server is None:
            self._server_variables[name] = value
        else:
            raise CheckFailed("a variable of the server has to be set before Aider is connected to it")

    @property
    def server(self) -> ConnectedServer:
        """The server of a Given step."""
        if self._server is None:
            raise CheckFailed("a Given step that connects Aider to a server has to come first")
        return self._server

    def inject(self, answer: str) -> None:
        """The next requests for answers get this one: an unusual answer, or a failure in the API's form."""
        failures = OLLAMA_FAILURES if self.server.serves_ollama else SERVER_FAILURES
        known = UNUSUAL_ANSWERS if answer in UNUSUAL_ANSWERS else failures
        self.server.proxy.faults.extend(known.find(answer))

    # -- what is done

    def ask(self, request: str, options: Iterable[Mapping[str, str]] | None) -> None:
        """Run Aider with one message. `options`: rows of `option` (without its dashes) and `value`."""
        self._run([*USUAL_FLAGS, *self._words(options), "--message", request])

    def start_session(self, options: Iterable[Mapping[str, str]] | None) -> None:
        """Start Aider in a terminal; it waits for the first line."""
        self._session_words = [*self._words(options), "--map-tokens", "0"]
        session = AiderSession(
            self._command(self._session_words),
            self._environment,
            self.project.folder,
            self._suite.settings.seconds(RUN_SECONDS),
            lambda: self.server.alive,
        )
        self._context.cleanups.callback(self._require_local)
        self._context.cleanups.enter_context(self._watched(session.terminal.pid))
        # Before the first wait: a session that shows no prompt is ended, and its screen is evidence.
        self._context.cleanups.callback(session.terminal.stop)
        self._context.add_evidence(lambda: session.terminal.transcript("Aider").attachments(1))
        session.wait_for_prompt()
        self._session = session

    def enter(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Type lines in the session. Of a row: `line`, `times` it is entered, `output` that comes each time.

        The times and the memory of many turns are recorded.
        """
        if self._session is None:
            raise CheckFailed("a Given step that starts a session of Aider has to come first")
        for row in rows:
            before, times = self.server.resident_memory(), int(row["times"])
            turns = [self._turn(self._session, row["line"], row["output"]) for _ in range(times)]
            if times >= MANY_TURNS:
                self._record_turns(turns, before)
        if self.server.serves_ollama:
            self._record_context_sizes()

    def _enter(self, session: AiderSession, line: str, expected: str) -> AiderRun:
        started, mark = time.monotonic(), self.server.proxy.count
        output = session.enter(line)
        first = "" if self.runs.available else f"{self._shown(self._session_words)}\n"
        run = self._add(mark, started, f"{first}> {line}", output)
        run.require_local()
        self._expected.append((line, expected))
        self.server.note_model_processes()
        return run

    def _turn(self, session: AiderSession, line: str, expected: str) -> Turn:
        run = self._enter(session, line, expected)
        return Turn(run.seconds, self.server.resident_memory())

    def _record_turns(self, turns: Sequence[Turn], before: int) -> None:
        self._context.evidence.append(turn_evidence(turns))
        seconds = [turn.seconds for turn in turns]
        third, grown = len(seconds) // 3, (turns[-1].memory - before) / MEGABYTE
        self._context.record("aider.turn.first", "Turn of Aider, first third", median(seconds[:third]), "s")
        self._context.record("aider.turn.last", "Turn of Aider, last third", median(seconds[-third:]), "s")
        self._context.record("aider.memory", f"Server, grown in {len(seconds)} turns", grown, "MB")

    def _record_context_sizes(self) -> None:
        """Aider requests another context size in each turn; Ollama loads the model again for it."""
        requests = [request for run in self.runs.all() for request in run.requests]
        sizes, turns = {request.context_size for request in requests}, len(self._expected)
        self._context.record(
            "aider.context_sizes", f"Context sizes requested in {turns} turns", len(sizes), "sizes"
        )
        self._context.record(
            "aider.reloads", f"Reloads of the model in {turns} turns", self.server.reloads, "reloads"
        )

    def require_listed_outputs(self) -> None:
        """After each line of the session Aider printed what its row lists."""
        for turn, (run, (line, expected)) in enumerate(zip(self.runs.all(), self._expected, strict=True), 1):
            if expected not in run.output:
                found = run.output[-2000:]
                raise CheckFailed(f"turn {turn}, {line!r}: expected {expected!r}, it printed:\n{found}")

    def start(self, how: str, options: Iterable[Mapping[str, str]] | None) -> None:
        """Run Aider without a message: it shows its configuration and ends; or let it do the exercises."""
        if how == ON_EXERCISES:
            self._work_on_exercises([*(options or ())])
        else:
            self._run([*self._words(options), "--exit"])

    def _work_on_exercises(self, options: Sequence[Mapping[str, str]]) -> None:
        edit_format = next((row["value"] for row in options if row["option"] == "edit-format"), "whole")
        words = [*USUAL_FLAGS, *option_words(options)]

        def run_aider(arguments: Sequence[str], folder: Path) -> AiderRun:
            self._run([*words, *arguments], folder)
            return self.runs.get()

        self.exercises.work(self.server.aider_model, edit_format, run_aider)

    def _words(self, options: Iterable[Mapping[str, str]] | None) -> list[str]:
        return [self._filled_in(word) for word in option_words(options or ())]

    def _filled_in(self, text: str) -> str:
        """With the command of the tests, an address, or the model, in place of their names in a feature."""
        values = {"{tests}": self.project.test_command}
        if self._server is not None:
            server = self._server
            values |= {
                "{address}": server.address,
                "{unreachable}": server.unreachable,
                "{model}": self._model,
            }
        # Not `format`: a text may have braces of its own.
        for name, value in values.items():
            text = text.replace(name, value)
        return text

    def _run(self, words: Sequence[str], folder: Path | None = None) -> None:
        mark, log = self.server.proxy.count, self._context.folder / f"aider-{len(self._commands)}.log"
        process = ManagedProcess(
            self._command(words), stdout=log, env=self._environment, cwd=folder or self.project.folder
        )
        end = RunEnd("ended with its step")
        try:
            with self._watched(process.pid):
                end = self._wait_for_end(process, log, mark)
        finally:
            # Also when a time limit or a signal ends the step. Not killed: the process that stands for Aider
            # then ends after Aider itself, which changes no file after that.
            code, seconds = process.stop(), time.monotonic() - process.started
            output = read_output(log)
            self._commands.append(CompletedCommand(process.command, code, output, end.stopped, seconds))
            shown = f"{output}\n({end.stopped})" if end.stopped else output
            run = self._add(mark, process.started, self._shown(words), shown, code, end.stopped)
        run.require_local()
        if end.stopped and run.requests:
            # It may still generate an answer that nobody reads: the server is not for the next scenario.
            self._context.cleanups.callback(self._servers.discard_shared)
        if end.failure:
            # No check of a run that did not end: what it printed and sent until then may be as expected.
            raise CheckFailed(end.failure)

    def _wait_for_end(self, process: ManagedProcess, log: Path, mark: int) -> RunEnd:
        """Until Aider has ended, its server has died, or it has repeated a request too often."""

        def ended() -> bool:
            # It is polled: the requests are read only when there are enough.
            if not (process.alive and self.server.alive):
                return True
            count = self.server.proxy.count - mark
            if count > self._most_requests and self._edit_requests(mark) > self._most_requests:
                return True
            if (
                count
                and self._answer_seconds is not None
                and self._silent_seconds(mark) > self._answer_seconds
            ):
                return True
            # Of a server that cannot be reached the proxy has no requests.
            return count == 0 and read_output(log).count(RETRY) >= MOST_EDIT_REQUESTS

        try:
            wait_until(
                f"the end of {self._assistant} with {self.server}",
                ended,
                timeout=self._suite.settings.seconds(self._run_seconds),
                seen=lambda: f"{self._last_request(mark)}; it printed:\n{read_output(log)[-2000:]}",
            )
        except WaitTimeout as timeout:
            return RunEnd(str(timeout).partition(";")[0], str(timeout))
        if not process.alive:
            return RunEnd()
        if not self.server.alive:
            return RunEnd(SERVER_DIED, SERVER_DIED)
        if self._edit_requests(mark) <= MOST_EDIT_REQUESTS and self._answer_seconds is not None:
            return RunEnd(f"ended by the suite {self._answer_seconds:g} s after the last part of an answer")
        sent = MOST_EDIT_REQUESTS + (self.server.proxy.count > mark)
        return RunEnd(f"ended by the suite: it has sent its request {sent} times")

    def _last_request(self, mark: int) -> str:
        """Of the run, for the message about one that does not end."""
        exchanges = self.server.proxy.exchanges_since(mark)
        if not exchanges:
            return "no request"
        last = exchanges[-1]
        response = f"status {last.status}, {len(last.body)} bytes" if last.status else "no response"
        return f"request {len(exchanges)}, {last.method} {last.url}: {response}"

    def _silent_seconds(self, mark: int) -> float:
        """Since the last part of the latest answer; zero before its first, however slow the server is."""
        requests = aider_requests(self.server.proxy.exchanges_since(mark))
        if not requests or not requests[-1].exchange.chunks:
            return 0.0
        last = requests[-1].exchange
        return time.monotonic() - last.sent_at - last.chunks[-1][0]

    def _edit_requests(self, mark: int) -> int:
        requests = aider_requests(self.server.proxy.exchanges_since(mark))
        return sum(request.kind == EDIT for request in requests)

    def _command(self, words: Sequence[str]) -> list[str | Path]:
        if self._assistant == cecli.NAME:
            return cecli.command(self._installed(CECLI), self._arguments(words))
        return self._host.command(self._arguments(words))

    def _shown(self, words: Sequence[str]) -> str:
        return f"$ {self._assistant.lower()} {shlex.join(self._arguments(words))}"

    def _arguments(self, words: Sequence[str]) -> list[str]:
        flags = cecli.FLAGS if self._assistant == cecli.NAME else FLAGS
        return [*self._options, *flags, *words]

    @property
    def _environment(self) -> Mapping[str, str]:
        return aider_environment(self._home, self._connections, **self._variables)

    def _add(
        self,
        mark: int,
        started: float,
        command: str,
        output: str,
        exit_code: int | None = None,
        stopped: str = "",
    ) -> AiderRun:
        requests = aider_requests(self.server.proxy.exchanges_since(mark))
        seconds, server = time.monotonic() - started, str(self.server)
        connections = tuple(self._recorded_connections())
        run = AiderRun(
            output, exit_code, tuple(requests), connections, seconds, command, server, started, stopped
        )
        self.runs.add(run)
        return run

    def _recorded_connections(self) -> list[str]:
        return self._connections.read_text(encoding="utf-8").splitlines()

    def _require_local(self) -> None:
        require_local(self._recorded_connections())

    def _require_no_process(self) -> None:
        assert self._watch is not None
        watch = self._watch
        wait_until(
            "the end of all processes of a run",
            lambda: not watch.left,
            timeout=self._suite.settings.seconds(EXIT_SECONDS),
            seen=lambda: watch.left,
        )

    def _watched(self, pid: int) -> ProcessWatch:
        """The connections of all processes below, and of those below the one that Aider is forked from."""
        roots = [pid] if self._assistant == cecli.NAME else [pid, self._host.pid]
        self._watch = ProcessWatch(roots, self._connections)
        return self._watch

    def _installed(self, assistant: CodingAssistant) -> InstalledProgram:
        program = assistant.locate(self._suite.settings)
        if program is None:
            raise self._missing(assistant)
        return program

    @staticmethod
    def _missing(assistant: CodingAssistant) -> NotSupported:
        return NotSupported(f"needs {assistant.title}; {assistant.remedy}")

    @property
    def _host(self) -> AiderHost:
        host = start_host(self._suite)
        if host is None:
            raise self._missing(AIDER)
        host.wait_until_imported(self._suite.settings.seconds(READY_SECONDS))
        return host

    def _attach_evidence(self) -> None:
        if self.runs.available:
            self._context.evidence.append(run_evidence(self.runs.all()))
        if self._project is not None:
            self._context.evidence.append(change_evidence(self._project))

    # -- what has to be so then

    def require_end(self, code: int | None) -> None:
        """The last run ended with this exit code; None: the suite had to end it, and no process is left."""
        run = self.runs.get()
        run.require_end(code)
        if code is None:
            self._context.record("aider.stalled", "Aider until the suite ended it", run.seconds, "s")
            self._require_no_process()

    def require_traffic(self, number: int, traffic: Traffic) -> None:
        """So many requests of a kind, or comments or pieces of thinking, and no longer waits than are known.

        What Aider waited is recorded.
        """
        runs = self.runs.all()
        require_traffic(runs, number, traffic.kind)
        if traffic.wait is not None:
            waited = waiting_time(runs, traffic.wait)
            self._context.evidence.append(Evidence.text("time of Aider", f"{waited}\n", "time.txt"))
            self._context.record("aider.wait", "Aider after its first request", waited.measured, "s")
            waited.require_bound()

    def require_committed(self, files: Sequence[str]) -> None:
        """The last run succeeded; these files, and no others, were changed and committed."""
        self.runs.get().require_success()
        project = self.project
        if project.uncommitted:
            raise CheckFailed(f"changes that are not committed: {', '.join(project.uncommitted)}")
        self.require_changed(files)
        if not project.commits:
            raise CheckFailed("there is no new commit")

    def require_commits(self, number: int, subjects: Iterable[Mapping[str, str]] | None) -> None:
        """So many commits were added, with these subjects, the latest first: rows of `subject`."""
        commits = self.project.commits
        found = "; ".join(commits) or "none"
        if len(commits) != number:
            raise CheckFailed(f"expected {number} new commits, found {len(commits)}: {found}")
        expected = [row["subject"] for row in subjects or ()]
        if expected and commits != expected:
            raise CheckFailed(f"expected commits with the subjects {'; '.join(expected)}, found: {found}")

    def require_changed(self, files: Sequence[str]) -> None:
        """These files differ from the state before, and no others."""
        changed = self.project.changed_files
        if sorted(changed) != sorted(files):
            raise CheckFailed(
                f"expected changes of {', '.join(files) or 'no file'}, found changes of"
                f" {', '.join(changed) or 'no file'}; it printed:\n{self.runs.get().output[-2000:]}"
            )

    def require_whole_prompts(self) -> None:
        """The server read each prompt of the last run to its end, or rejected it for its length."""
        vocabulary = script_vocabulary(self.project.source.script)
        self.runs.get().require_whole_prompts(lambda messages: len(vocabulary.encode(chat_prompt(messages))))
