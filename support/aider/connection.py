"""Connects Aider to a server: one of the suite, which has the model of a project, or the user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from support.aider.project import ProjectSource
from support.aider.server import ConnectedServer
from support.aider.traffic import CHAT_PATHS
from support.chat.client import OLLAMA_CHAT, OPENAI_CHAT, ChatEndpoint
from support.chat.scenario_servers import CREATE_SECONDS, ScenarioServers
from support.http.client import ApiClient
from support.http.recording_proxy import RecordingProxy
from support.models.files import ModelFiles
from support.programs.launcher import LaunchedProgram
from support.servers.dedicated import REAL
from support.servers.discovery import UrlTarget
from support.servers.launch_plans import trained_model_plan
from support.servers.mistralrs import start_server
from support.servers.ollama import TOOLS_TEMPLATE, create_model, delete_models

# The model of the setting `aider_model`.
USER_MODEL = "the user's model"
# Aider needs one; the servers of the suite have none.
_NO_KEY = "unused"


def connect_to_project_model(
    servers: ScenarioServers,
    server: str,
    source: ProjectSource,
    context: int,
    environment: Mapping[str, str],
    *,
    thinks: bool = False,
) -> ConnectedServer:
    """A server of the suite with the scripted model of a project. `context`: tokens of the model.

    `environment`: more variables of mistral.rs. `thinks`: by its template, so that Ollama and the gateway
    send what is in think tags in a field of its own.
    """
    models = servers.suite.models
    model = (models.scripted_with_tools if thinks else models.scripted)(source.script, context=context)
    if server != REAL:
        variables = "".join(f" {name}={value}" for name, value in environment.items())
        kind = " thinks" if thinks else ""
        # Aider's prompts are long, and 0.8.1 reads them four to five times faster than in the half precision
        # that it takes by default (docs/findings.md#half-precision): no scenario of Aider is about that.
        options = servers.suite.command.command_line.full_precision
        servers.share(f"aider {source.name} {context}{kind}{variables}", model, environment, options)
        endpoint = servers.dedicated_endpoint(server)
        return _connected(servers, endpoint, servers.dedicated.server)
    real = servers.endpoints.endpoint(server)
    template = TOOLS_TEMPLATE.read_text(encoding="utf-8") if thinks else None
    name = _create(servers, real.url, source.name, model, template)
    endpoint = ChatEndpoint(real.name, real.url, name, real.protocol)
    return _connected(servers, endpoint, servers.endpoints.backend(server).process)


def connect_to_user_model(servers: ScenarioServers) -> ConnectedServer:
    """The server of the setting `aider_model`: at a URL, or the target with the user's own model."""
    key = servers.suite.settings.api_key or _NO_KEY
    return _connected(servers, _user_endpoint(servers), None, key)


def _connected(
    servers: ScenarioServers, endpoint: ChatEndpoint, program: LaunchedProgram | None, key: str = _NO_KEY
) -> ConnectedServer:
    proxy = RecordingProxy(endpoint.url, CHAT_PATHS)
    servers.context.cleanups.callback(proxy.close)
    servers.context.add_exchanges(lambda: proxy.exchanges)
    return ConnectedServer(endpoint, proxy, program, key)


def _user_endpoint(servers: ScenarioServers) -> ChatEndpoint:
    settings, target = servers.suite.settings, servers.suite.target
    provider, _, model = str(settings.aider_model).partition("/")
    protocol = OPENAI_CHAT if provider == "openai" else OLLAMA_CHAT
    if protocol is OLLAMA_CHAT and settings.ollama_url is not None:
        return ChatEndpoint(REAL, settings.ollama_url, model, protocol)
    servers.context.record_component(target.program, target.version)
    if isinstance(target, UrlTarget):
        return ChatEndpoint(target.label, target.url, model, protocol)
    plan = trained_model_plan("at TEST_MODEL_PATH", settings)
    own = start_server(servers.suite.command, plan.model, settings)
    servers.context.cleanups.callback(own.stop)
    servers.context.require_alive(own)
    return ChatEndpoint(target.label, own.url, model, protocol)


def _create(servers: ScenarioServers, url: str, project: str, model: ModelFiles, template: str | None) -> str:
    """Create the model on an Ollama until the end of the scenario; its name there."""
    name = f"acceptance-{project}"
    client = ApiClient(url, timeout=servers.suite.settings.seconds(CREATE_SECONDS))
    servers.context.cleanups.enter_context(contextlib.closing(client))
    servers.context.cleanups.callback(delete_models, client, [name])
    create_model(client, name, model.path, template=template)
    return name
