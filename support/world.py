"""What one scenario knows and does: fresh for each, closed after each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from support.chat import checks
from support.chat.conversation import Conversation
from support.conformance import case_table
from support.conformance.api import ApiServer
from support.conformance.case_table import Case
from support.errors import NotOffered
from support.http.client import ApiClient
from support.http.exchange import Exchange
from support.mcp.scenario import McpScene
from support.programs.process import Outcome
from support.reporting.evidence import Metrics, Scene
from support.results.must_check import Observed
from support.results.outcome import Cell, Evidence, Measure
from support.servers import cli_checks, launch_checks, launch_plans
from support.servers.endpoints import of_command
from support.servers.launch import Attempt, attempt
from support.servers.mistralrs import Server, start_server
from support.servers.network_monitor import NetworkTrap
from support.servers.ollama_backends import SPEAKING, OllamaFront, Process
from support.suite import Suite
from support.terminal.scenario import Terminal

if TYPE_CHECKING:
    from support.chat.client import OpenAiApi
    from support.chat.scenario import Desk
    from support.clients.task import Journey
    from support.conformance.case_runner import Result
    from support.conformance.sequence import Walked
    from support.conformance.sequences.ollama import Asker


class World:
    """The state of one scenario. Whatever it acquires is released through `cleanups`."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self.suite = suite
        self.folder = folder
        self.cleanups = ExitStack()
        self.evidence: list[Evidence] = []
        self.measures: list[Measure] = []
        self.cells: list[Cell] = []
        self._collected = False
        self.outcome: Observed[Outcome] = Observed("command's outcome")
        self.start: Observed[Attempt] = Observed("server start")
        self.models: Observed[Exchange] = Observed("list of models")
        self.tried: Observed[Result] = Observed("result of a case")
        self.walked: Observed[Walked] = Observed("walk through several requests")
        self.journey: Observed[Journey] = Observed("journey of the official client")
        self.conversation = Conversation(lambda: self.api)
        self.terminal = Terminal(suite, folder, self.cleanups)
        self.plan: launch_plans.Start | None = None
        self.server: Process | None = None
        self._log_mark = 0
        self._trap: NetworkTrap | None = None
        self._metrics: Metrics | None = None

    # -- the program as a command

    def call(self, arguments: Sequence[str]) -> None:
        """Call the program once; the outcome is to be checked."""
        suite = self.suite
        self.outcome.set(cli_checks.call(suite.command, arguments, self.folder, suite.settings))

    def check_each_command(self, commands: Sequence[str]) -> None:
        """Each of them, asked for help, ends well and shows how it is used."""
        for command in commands:
            self.call(["help", command])
            cli_checks.check_ended(self.outcome.get(), cli_checks.EXIT_OK, within=2.0)
            cli_checks.check_names(self.outcome.get(), "usage")

    def ask_once(self, question: str) -> None:
        """Ask the planned model a single question on the command line."""
        self.call(self.suite.command.dialect.ask_once(self.planned.model, question))

    # -- the terminal

    def start_chat(self) -> None:
        """Start a chat with the planned model that is to be refused; the attempt is to be checked."""
        self.start.set(self.terminal.attempt(self.planned.model))

    def feed_chat(self, questions: str, source: str) -> None:
        """Have lines from a file or a pipe answered; the outcome is to be checked."""
        self.outcome.set(self.terminal.answer_input(questions, source))

    # -- servers of this scenario

    @property
    def planned(self) -> launch_plans.Start:
        """The start that a Given step has prepared."""
        assert self.plan is not None, "a step that names a model has to come first"
        return self.plan

    @property
    def network(self) -> NetworkTrap:
        """The trap that a Given step has set."""
        assert self._trap is not None, "a step that watches the network has to come first"
        return self._trap

    def squat(self) -> None:
        """Let somebody else have the port that the planned start will want."""
        squatter = launch_checks.Squatter()
        self.cleanups.callback(squatter.close)
        self.plan = replace(self.planned, port=squatter.port, names=launch_plans.PORT_TAKEN)

    def watch_network(self) -> None:
        """From now on every way out of the machine leads into a trap."""
        self._trap = self.cleanups.enter_context(NetworkTrap())

    def start_server(self) -> None:
        """Start the server on the planned model; ready or refused, the attempt is to be checked."""
        suite, plan = self.suite, self.planned
        environment = self._trap.environment if self._trap else None
        made = attempt(
            lambda: start_server(
                suite.command,
                plan.model,
                suite.settings,
                port=plan.port,
                environment=environment,
                options=plan.options,
            )
        )
        self.start.set(made)
        if made.server is not None:
            self.cleanups.callback(made.server.stop)
            self.watch(made.server)
            # Kept apart by format and program: figures of two programs make no trend.
            key, what = f"load.{plan.model.format}", f"{suite.command.program}, {plan.model.format} model"
            self.record(f"{key}.seconds.{suite.command.program}", f"{what}: ready after", made.seconds, "s")
            memory = made.server.usage().resident / 1e6
            self.record(f"{key}.memory.{suite.command.program}", f"{what}: memory", memory, "MB")

    @property
    def running(self) -> Server:
        """The server of this scenario."""
        assert isinstance(self.server, Server), "no server was started"
        return self.server

    def watch(self, server: Process) -> None:
        """From now on this server must live, and its log must not tell of a crash."""
        self.server = server
        self._log_mark = len(server.log)

    # -- its API

    @cached_property
    def client(self) -> ApiClient:
        """A client of this scenario's own server, else of the shared one or of TARGET_URL."""
        return self._kept(self._client())

    def _kept(self, client: ApiClient) -> ApiClient:
        """Closed with the scenario; what its server measures is evidence."""
        self.cleanups.callback(client.close)
        self._metrics = Metrics(client)
        return client

    def _client(self) -> ApiClient:
        if self.server is not None:
            return ApiClient(self.server.url, within=self.suite.settings.seconds(30.0))
        client, shared = self.suite.api_client()
        if shared is not None:
            self.watch(shared)
        return client

    @property
    def api(self) -> OpenAiApi:
        """The OpenAI API of that server, asking for the model that serves by default."""
        return self._api_of(self.suite.model_name)

    def _api_of(self, model: str) -> OpenAiApi:
        # Not at the top: OpenAI's package comes with it, and takes half a second.
        from support.chat.client import OpenAiApi

        return OpenAiApi(self.client, model)

    def scripted(self) -> str:
        """What the script says to the latest request."""
        said = "\n".join(message["content"] for message in self.conversation.asked)
        return self.suite.script.answer_to(said).answer

    def counted(self) -> tuple[int, tuple[int, int]]:
        """Prompt tokens of the latest request; completion tokens of its answer, without and with the end."""
        model = self.suite.compiled
        prompt = len(model.vocabulary.encode(model.prompt(self.conversation.asked)))
        made = len(model.pieces_of(model.answer_to(self.conversation.asked)))
        return prompt, (made, made + 1)

    def check_list(self) -> list[str]:
        """The names in the list of models, which has to be well-formed and without any name twice."""
        from support.chat.client import names_of

        return names_of(self.models.get())

    def ask_every_model(self) -> None:
        """Each listed model answers a question with one token, under its own name."""
        for name in self.check_list():
            answer = self._api_of(name).chat([{"role": "user", "content": "Hi"}], max_tokens=1)
            checks.check_length(answer, 1)

    # -- cases of an API

    def try_case(self, api: str, title: str) -> None:
        """Ask the judged server, then those that it is compared with; the result is to be checked.

        Raises `NotOffered` when an earlier case has found the route missing.
        """
        # Not at the top: OpenAI's package comes with them, and takes half a second.
        from support.conformance.case_runner import ask
        from support.conformance.comparison import cell_of

        case = case_table.find(api.lower(), title)
        server, ours = self._own_offer(case) if case.alone else self.suite.offering(case.api, case.model)
        known = self.suite.missing_routes.reason(server.label, case)
        if known is None and case.then_a_good_request:
            known = self._missing_api(server)
        if known is not None:
            self.cells = [Cell(server.label, "lacking", known, judged=True, rule=case.source)]
            self.cells += self.suite.comparison.cells(case)
            raise NotOffered(known)
        if ours is not None:
            self.watch(ours)
        within = self.suite.settings.seconds(30.0)
        self.client = self._kept(ApiClient(server.base_url, api_key=server.key, within=within))
        result = ask(self.client, server, case)
        if result.outcome == "lacking":
            self._leave_out_what_is_declined(result)
            if server.declines is None:
                self.suite.missing_routes.note(server.label, case)
        else:
            self.suite.missing_routes.note_served(server.label, case)
        self.tried.set(result)
        self.cells = [cell_of(result, judged=True), *self.suite.comparison.cells(case)]

    def _leave_out_what_is_declined(self, result: Result) -> None:
        if result.server.declines is None or result.exchange is None:
            return
        reason = result.server.declines(result.exchange)
        if reason is not None:
            lacking = Cell(result.server.label, "lacking", reason, judged=True, rule=result.case.source)
            self.cells = [lacking, *self.suite.comparison.cells(result.case)]
            raise NotOffered(f"{result.server.label}: {reason}")

    # -- the Ollama API

    def go_through(self, api: str, title: str) -> None:
        """Have a client of the judged server of an API send several requests; to be checked.

        Raises `NotOffered` when a case has found the API missing.
        """
        # Not at the top: the official clients come with it.
        from support.conformance.sequences.ollama import WALKS, go

        if api != "Ollama":
            self._go_through_own(api.lower(), title)
            return
        walk = WALKS[title]
        self.walked.set(go(walk.take, self._asker(walk.role)))

    def _go_through_own(self, api: str, title: str) -> None:
        from support.conformance.sequence import walked
        from support.conformance.sequences.responses import WALKS, Caller

        walk = WALKS[api][title]
        server, ours = self.suite.offering(api, walk.model)
        self._require_api(server)
        if ours is not None:
            self.watch(ours)
        within = self.suite.settings.seconds(30.0)
        self.client = self._kept(ApiClient(server.base_url, api_key=server.key, within=within))
        caller = Caller(self.client, server)
        self.walked.set(walked(lambda: walk.take(caller)))

    def ask_both(self, question: str) -> None:
        """Ask the judged server of the Ollama API and a real Ollama; the comparison is to be checked."""
        from support.conformance.sequences.ollama import go, same_answer

        real = self._asker_of(self.suite.fronts.real(), SPEAKING)
        self.walked.set(go(same_answer(question, real), self._asker(SPEAKING)))

    def _asker(self, role: str) -> Asker:
        front = self.suite.fronts.judged(role)
        if front.process is not None:
            self.watch(front.process)
        asker = self._asker_of(front, role)
        self.client = asker.client
        return asker

    def _asker_of(self, front: OllamaFront, role: str) -> Asker:
        from support.conformance.sequences.ollama import Asker

        client = ApiClient(front.url, within=self.suite.settings.seconds(30.0))
        self.cleanups.callback(client.close)
        declines = front.declines.reason if front.declines else None
        return Asker(client, front.names[role], self.suite.models.speaking(self.suite.script).path, declines)

    def travel(self, api: str, journey: str) -> None:
        """Let the official client of an API do something; the result is to be checked.

        Raises `NotOffered` when a case has found the API missing.
        """
        from support.clients.task import send_out

        server, ours = self.suite.offering(api.lower(), "speaking")
        self._require_api(server)
        if ours is not None:
            self.watch(ours)
        self.journey.set(send_out(server, journey, self.suite.settings.seconds(30.0)))

    def _require_api(self, server: ApiServer) -> None:
        missing = self._missing_api(server)
        if missing is not None:
            raise NotOffered(missing)

    def _missing_api(self, server: ApiServer) -> str | None:
        """Why this server has nothing of the API: the route that every healthy one serves is not there."""
        from support.conformance.registry import APIS

        good = case_table.find(server.api, APIS[server.api].good)
        return self.suite.missing_routes.without(server.label, good.route)

    def _own_offer(self, case: Case) -> tuple[ApiServer, Server]:
        """A server that nobody else uses: the case may hurt it."""
        suite, model = self.suite, self.suite.model(case.model)
        server = start_server(suite.command, model, suite.settings)
        self.cleanups.callback(server.stop)
        return of_command(suite.command, server, model, case.api), server

    # -- several servers

    @cached_property
    def parity(self) -> Desk:
        """What is asked over several routes, and servers of this scenario's own for it."""
        # Not at the top: OpenAI's package comes with it.
        from support.chat.scenario import Desk

        return Desk(self.suite, self.cleanups, self.watch, self.evidence)

    @cached_property
    def mcp(self) -> McpScene:
        """Agents that ask the server of this scenario, and tool servers that it asks."""
        return McpScene(self.suite, self.cleanups, self.watch)

    # -- what remains

    def judged(self, tags: Collection[str]) -> list[tuple[str, str]]:
        """Program and version of what this scenario has judged: what it asked, where it chose itself."""
        return self.parity.asked if "parity" in self.__dict__ else self.suite.judged(tags)

    def record(self, key: str, title: str, value: float, unit: str) -> None:
        """Keep a measured figure for the report."""
        self.measures.append(Measure(key, title, value, unit))
        print(f"{title}: {value:.3g} {unit}")

    def check_at_end(self) -> None:
        """What holds for every scenario: results were looked at, the server lives, its log tells no crash."""
        results: tuple[Observed[Any], ...] = (
            self.outcome,
            self.start,
            self.models,
            self.tried,
            self.walked,
            self.journey,
            self.conversation.answers,
            *(self.mcp.results if "mcp" in self.__dict__ else ()),
        )
        if "parity" in self.__dict__:
            results += self.parity.results
        for observed in results:
            observed.require_seen()
        self.terminal.check_at_end()
        if self.server is not None:
            log = self.server.log[self._log_mark :]
            assert self.server.alive, f"the server died during the scenario; its last words:\n{log[-1500:]}"
            crashes = [line for line in log.splitlines() if "panicked at" in line]
            assert not crashes, f"the server's log tells of a crash: {crashes[0]}"

    def collect(self) -> None:
        """Gather what a reader of a failure needs: best while all lives, and once."""
        if self._collected:
            return
        self._collected = True
        refused = [made.failure.log for made in self.start.all() if made.failure is not None]
        scene = Scene(
            settings=self.suite.in_force.table(),
            log="".join(refused) or None if self.server is None else self._log(self.server),
            exchanges=[
                *(self.client.exchanges if "client" in self.__dict__ else ()),
                *(self.mcp.exchanges if "mcp" in self.__dict__ else ()),
                *(self.parity.exchanges if "parity" in self.__dict__ else ()),
            ],
            metrics=self._metrics,
            outcomes=self.outcome.all(),
            transcripts=self.terminal.transcripts(),
        )
        self.evidence += scene.pieces()
        if "mcp" in self.__dict__:
            self.evidence += self.mcp.evidence()

    def _log(self, server: Process) -> str:
        """What the server wrote since the scenario began; a server that was removed has left nothing."""
        try:
            return server.log[self._log_mark :]
        except FileNotFoundError:
            return "(removed with the server, before the failure was found)\n"

    def close(self) -> None:
        """Release everything in reverse order."""
        self.cleanups.close()


class StepContext(Protocol):
    """All that a step may use of behave's context."""

    suite: Suite
    world: World
    table: Any
    text: Any
