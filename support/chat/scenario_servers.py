"""The servers of one scenario that sends chats: those of the run, and servers of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

from support.chat.client import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint
from support.chat.comparability import ComparedEndpoints
from support.errors import CheckFailed
from support.http.client import ApiClient
from support.models.files import ModelFiles
from support.models.roles import SCRIPTED
from support.programs.launcher import LaunchedProgram
from support.programs.smollm2 import smollm2
from support.results.program_version import GATEWAY as BUNDLED
from support.scenario import ScenarioContext
from support.servers.bundled_gateway import gateway_version
from support.servers.dedicated import DIRECT, GATEWAY, REAL, ServerWithGateway, start_server_with_gateway
from support.servers.launch_plans import arguments_of
from support.servers.mistralrs import start_server
from support.servers.ollama import create_model, delete_models

ANSWER_SECONDS = 30.0
CREATE_SECONDS = 60.0
# An endless answer is longer than any scenario waits.
LONG_CONTEXT = 32_768
TRAINED_MODEL = "acceptance-smollm2"


class ScenarioServers:
    """Fresh for each scenario. `endpoints`: the servers of the run."""

    def __init__(self, context: ScenarioContext) -> None:
        self.context = context
        self.suite = context.suite
        self.endpoints = ComparedEndpoints(context, self.answer_timeout)
        self._dedicated: ServerWithGateway | None = None
        # Of the server that was started last with a gateway.
        self.dedicated_model: ModelFiles | None = None
        self._shared_use: str | None = None

    @property
    def answer_timeout(self) -> float:
        """Seconds for a whole answer."""
        return self.suite.settings.seconds(ANSWER_SECONDS)

    def client(self, endpoint: ChatEndpoint) -> ApiClient:
        """A client that is closed with the scenario; its exchanges are evidence."""
        client = endpoint.client(self.answer_timeout)
        self.context.cleanups.callback(client.close)
        self.context.add_exchanges(lambda: client.exchanges)
        return client

    # -- a server with a gateway

    def start_dedicated(
        self, max_seqs: int = 32, options: Sequence[str] = (), model: ModelFiles | None = None
    ) -> None:
        """Start a server for so many requests at once, with a gateway, for this scenario alone.

        `options`: more arguments of the server. `model`: the scripted one without it.
        """
        dedicated = self._start_with_gateway(max_seqs, model, options=options)
        self.context.cleanups.callback(dedicated.stop)
        self._use(dedicated)

    def share(
        self,
        use: str,
        model: ModelFiles | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Take the server and the gateway that scenarios share for the same use.

        A use has one model, and one environment and more arguments (`options`) of the server.
        """
        start = partial(self._start_with_gateway, model=model, environment=environment, options=options)
        self._use(self.suite.shared_servers.get(use, start))
        self._shared_use = use

    def discard_shared(self) -> None:
        """No other scenario gets the server that this one shares."""
        if self._shared_use is not None:
            self.suite.shared_servers.discard(self._shared_use)

    @property
    def has_dedicated(self) -> bool:
        """Whether a Given step has started a server with a gateway."""
        return self._dedicated is not None

    @property
    def dedicated(self) -> ServerWithGateway:
        """The server and the gateway that a Given step has started."""
        if self._dedicated is None:
            raise CheckFailed("a step that starts a server has to come first")
        return self._dedicated

    @property
    def dedicated_target(self) -> ChatEndpoint:
        return ChatEndpoint(DIRECT, self.dedicated.server.url, "default", OPENAI_CHAT)

    def dedicated_endpoint(self, server: str) -> ChatEndpoint:
        """The server or its gateway, by the name in the features."""
        if server != GATEWAY:
            return self.dedicated_target
        self.context.record_component(BUNDLED, gateway_version())
        return ChatEndpoint(GATEWAY, self.dedicated.gateway_url, SCRIPTED, OLLAMA_CHAT)

    def _start_with_gateway(
        self,
        max_seqs: int = 32,
        model: ModelFiles | None = None,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> ServerWithGateway:
        model = model or self.suite.models.scripted(self.suite.script, context=LONG_CONTEXT)
        self.dedicated_model = model
        target, settings = self.suite.command, self.suite.settings
        return start_server_with_gateway(target, model, settings, max_seqs, environment, options)

    def _use(self, dedicated: ServerWithGateway) -> None:
        self._dedicated = dedicated
        self._record_target()
        self.context.require_alive(dedicated.server)

    # -- other servers

    def _record_target(self) -> None:
        self.context.record_component(self.suite.target.program, self.suite.target.version)

    def start_with(self, model: ModelFiles) -> LaunchedProgram:
        """Start the target with a model for this scenario alone; whether it stays alive is not checked."""
        server = self.start_plain(model)
        self.context.cleanups.callback(server.stop)
        return server

    def start_plain(self, model: ModelFiles) -> LaunchedProgram:
        """The same for a caller that ends it before the scenario does."""
        self._record_target()
        return start_server(self.suite.command, arguments_of(model), self.suite.settings)

    def trained_endpoints(self) -> tuple[ChatEndpoint, ChatEndpoint]:
        """SmolLM2 in mistral.rs and in a real Ollama, which deletes it at the end."""
        model = smollm2(self.suite.settings.acceptance_cache_dir)
        server = self.start_with(model)
        self.context.require_alive(server)
        url, _ = self.endpoints.address(REAL)
        client = self.context.cleanups.enter_context(
            contextlib.closing(ApiClient(url, timeout=CREATE_SECONDS))
        )
        create_model(client, TRAINED_MODEL, model.path)
        self.context.cleanups.callback(delete_models, client, [TRAINED_MODEL])
        return (
            ChatEndpoint(DIRECT, server.url, "default", OPENAI_CHAT),
            ChatEndpoint(REAL, url, TRAINED_MODEL, OLLAMA_CHAT),
        )
