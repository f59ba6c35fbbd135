"""Independent test suites in one scenario: a server as each needs it, and what it found there."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from support.chat.scenario_servers import ScenarioServers
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.independent import mcp_client_main, mcp_suite, ollama_suite, open_responses, sdk_suite
from support.independent.results import STATUSES, Rule, SuiteOutcomes, SuiteTable, TestOutcome
from support.models.files import ModelFiles
from support.models.roles import EMBEDDING, SCRIPTED
from support.models.script import INDEPENDENT_SCRIPT, Script
from support.name_registry import NameRegistry
from support.programs.independent_suites import (
    ANTHROPIC_TESTS,
    MCP_CONFORMANCE,
    OLLAMA_TESTS,
    OPEN_RESPONSES,
    OPENAI_TESTS,
    IndependentSuite,
)
from support.programs.install import InstalledProgram
from support.programs.launcher import LaunchedProgram
from support.results.outcome import Evidence
from support.results.program_version import GATEWAY as BUNDLED
from support.servers.bundled_gateway import gateway_version, start_gateway
from support.servers.dedicated import DIRECT, REAL
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.servers.ollama import TOOLS_TEMPLATE, create_model, delete_models

# For a part of a suite; one scenario of the MCP suite.
SUITE_SECONDS, MCP_SECONDS = 240.0, 30.0
CREATE_SECONDS = 60.0
# The role of the model with the answers that the tests of others look for.
INDEPENDENT = "independent"
MCP_ROUTE = "/mcp"

# Runs a part on the server at a URL: program, part, rules, URL, folder, seconds.
RunSuite = Callable[
    [InstalledProgram, Mapping[str, Any], "tuple[Rule, ...]", str, Path, float], list[TestOutcome]
]
# Name in the features -> the suite, and how it runs; None for that of MCP, which is told more than a URL.
SUITES: NameRegistry[tuple[IndependentSuite, RunSuite | None]] = NameRegistry(
    "suite",
    {
        "OpenAI's SDK test suite": (OPENAI_TESTS, sdk_suite.run),
        "Anthropic's SDK test suite": (ANTHROPIC_TESTS, sdk_suite.run),
        "the Open Responses type suite": (OPEN_RESPONSES, open_responses.run),
        "Ollama's integration test suite": (OLLAMA_TESTS, ollama_suite.run),
        "the MCP conformance suite": (MCP_CONFORMANCE, None),
    },
)


class SuiteRuns:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        self._servers = servers
        self._context = servers.context
        self._suite = servers.suite

    def run(self, name: str, part_name: str, server: str) -> SuiteOutcomes:
        """Run a part of a suite on a server; counts and outcomes are in the report of the scenario."""
        suite, run_suite = SUITES.find(name)
        program = suite.find(self._suite.settings.acceptance_cache_dir)
        if program is None:
            raise CheckFailed(f"this scenario lacks the tag @needs.{suite.name.replace('-', '_')}")
        table = SuiteTable.load(suite.name)
        part, rules = table.part(part_name), table.rules(part_name, server)
        folder = Path(tempfile.mkdtemp(prefix=f"{suite.name}-"))
        within = self._suite.settings.seconds(SUITE_SECONDS)
        if run_suite is None:
            subject = self._mcp_subject(part, folder)
            began = time.monotonic()
            within = self._suite.settings.seconds(MCP_SECONDS)
            found = mcp_suite.run(program, part, rules, subject, folder, within)
        else:
            url = self._url(server, part)
            began = time.monotonic()
            found = run_suite(program, part, rules, url, folder, within)
        outcomes = replace(
            table.judge(part_name, server, found),
            version=suite.version,
            seconds=time.monotonic() - began,
        )
        self._report(suite, outcomes)
        return outcomes

    def _report(self, suite: IndependentSuite, outcomes: SuiteOutcomes) -> None:
        self._context.evidence.append(Evidence.text(outcomes.heading, outcomes.report(), f"{suite.name}.txt"))
        place = f"{suite.name}.{outcomes.part}.{outcomes.server}".replace(" ", "_")
        about = f"{outcomes.title} {outcomes.version}, {outcomes.part}, on {outcomes.server}"
        for status in STATUSES:
            key = f"independent.{place}.{status.replace(' ', '_')}"
            self._context.record(key, f"{about}: {status}", outcomes.counts[status], "tests")

    # -- servers

    def _url(self, server: str, part: Mapping[str, Any]) -> str:
        """A server that has the model of a part under the names that its tests use."""
        names = part.get("names", [part["model"]])
        if server == DIRECT:
            return self._start(part["role"], served_name=names[0]).url
        if server == REAL:
            return self._real_ollama(part, names)
        behind = self._start(part["role"])
        file = self._model(part["role"]).path
        gateway = start_gateway(behind.url, self._suite.settings, dict.fromkeys(names, file))
        self._context.cleanups.callback(gateway.stop)
        self._context.record_component(BUNDLED, gateway_version())
        return gateway.url

    def _start(self, role: str, *, served_name: str = "", options: tuple[str, ...] = ()) -> LaunchedProgram:
        """The target for this scenario alone."""
        suite = self._suite
        self._context.record_component(suite.target.program, suite.target.version)
        arguments = suite.model(EMBEDDING) if role == EMBEDDING else arguments_of(self._model(role))
        server = start_server(
            suite.command, replace(arguments, served_name=served_name), suite.settings, options=options
        )
        self._context.cleanups.callback(server.stop)
        self._context.require_alive(server)
        return server

    def _model(self, role: str) -> ModelFiles:
        models = self._suite.models
        if role == SCRIPTED:
            return models.scripted(self._suite.script)
        return models.scripted_with_tools(Script.load(INDEPENDENT_SCRIPT))

    def _real_ollama(self, part: Mapping[str, Any], names: list[str]) -> str:
        """That of the run, with more models until the scenario ends."""
        endpoints = self._servers.endpoints
        endpoints.require_managed(REAL, "creating models under the names of the tests")
        backend = endpoints.backend(REAL)
        # It makes embeddings with any model.
        role = SCRIPTED if part["role"] == EMBEDDING else part["role"]
        file = self._model(role).path
        client = self._context.cleanups.enter_context(
            contextlib.closing(ApiClient(backend.url, timeout=CREATE_SECONDS))
        )
        self._context.cleanups.callback(delete_models, client, names)
        template = TOOLS_TEMPLATE.read_text(encoding="utf-8")
        for name in names:
            # Models of one file are one for it: unloading one would unload all.
            calls_tools = name in part.get("tool_models", ())
            create_model(client, name, file, template=template if calls_tools else None, own_file=True)
        return backend.url

    def _mcp_subject(self, part: Mapping[str, Any], folder: Path) -> list[str]:
        """The arguments of the MCP suite that name the server, or the client, inside mistral.rs."""
        suite = self._suite
        if part["kind"] == "server":
            port = suite.mcp_port
            self._start(SCRIPTED, options=("--mcp-port", str(port)))
            return ["--url", f"http://127.0.0.1:{port}{MCP_ROUTE}"]
        self._context.record_component(suite.target.program, suite.target.version)
        model = arguments_of(self._model(part["role"]))
        plan = folder / "client.json"
        target = suite.command
        described = {"path": str(target.path), "program": target.program, "version": target.version}
        form = [str(model.directory), model.file, model.format]
        plan.write_text(json.dumps({**described, "model": form, "questions": part["questions"]}))
        words: list[str | Path] = [sys.executable, "-m", mcp_client_main.__name__, plan]
        return ["--command", mcp_suite.client_command(words)]
