"""Third-party clients in one scenario: Ollama's command line, LangChain, test suites of others."""

from __future__ import annotations

from support.chat.scenario_servers import ScenarioServers
from support.clients import langchain, ollama_cli
from support.clients.suites import SUITES, SuiteRuns
from support.errors import CheckFailed
from support.independent.results import SuiteOutcomes
from support.programs.ollama import OLLAMA
from support.reporting.evidence import command_evidence
from support.results.must_check import MustCheck
from support.servers.dedicated import GATEWAY

# By their names in the features.
OLLAMA_COMMAND, LANGCHAIN = "the ollama command", "a LangChain program"
CLIENTS = (OLLAMA_COMMAND, LANGCHAIN, *SUITES)


class ClientScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        self.result: MustCheck[ollama_cli.CliTaskResult | langchain.ClientResult | SuiteOutcomes] = (
            servers.context.must_check("result of a client")
        )
        self._servers = servers
        self._suite = servers.suite

    def run(self, client: str, task: str, server: str) -> None:
        """Run a task of one of the `CLIENTS`."""
        if client in SUITES:
            self.result.set(SuiteRuns(self._servers).run(client, task, server))
            return
        run = self.run_ollama_command if client == OLLAMA_COMMAND else self.run_langchain
        run(task, server)

    def run_ollama_command(self, task: str, server: str) -> None:
        """Run Ollama's own command on a server: on that of a Given step if there is one."""
        program = OLLAMA.locate(self._suite.settings)
        if program is None:
            raise CheckFailed("this scenario lacks the tag @needs.ollama_command")
        url, model = self._command_target(task, server)
        home = self._suite.folder / "ollama-home"
        home.mkdir(exist_ok=True)
        done = ollama_cli.run(program.path, url, model, task, home)
        self._servers.context.add_evidence(lambda: command_evidence(done.completed))
        self.result.set(done)

    def _command_target(self, task: str, server: str) -> tuple[str, str]:
        endpoints = self._servers.endpoints
        mutation = ollama_cli.mutation(task)
        if mutation is not None and server == GATEWAY and self._servers.has_dedicated:
            endpoint = self._servers.dedicated_endpoint(server)
            return endpoint.url, endpoint.model
        if mutation is not None:
            endpoints.require_managed(server, mutation)
        if ollama_cli.needs_inference(task):
            endpoints.require_scripted(server)
        return endpoints.address(server)

    def run_langchain(self, task: str, server: str) -> None:
        """Run LangChain's adapter of the API that most users of a server use."""
        self._servers.endpoints.require_scripted(server)
        endpoint = self._servers.endpoints.endpoint(server)
        recorder, title = self._servers.context.new_recorder(), endpoint.protocol.api.title
        self.result.set(langchain.run(title, endpoint.url, endpoint.model, task, recorder, endpoint.key))
