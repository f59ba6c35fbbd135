"""Program and version that a server states itself, by the first of these that has them:

- `info.title` and `info.version` of `/api-doc/openapi.json` (mistral.rs and the reference server), or of
  `/openapi.json` (llama-cpp-python's server)
- `/api/version` (Ollama; other servers of its API have it too: the program is that of the `Server` header if
  that names one, and the setting `target_version` comes before)
- `serverInfo` of an MCP server at `/mcp`, with the name of a program that is listed
- the `Server` header, with the name and the version of a program that is listed (`mistralrs/0.9.2`)
"""

from __future__ import annotations

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange, NotJson
from support.results.program_version import (
    GATEWAY,
    LLAMA_CPP_PYTHON,
    MISTRALRS,
    OLLAMA,
    PROGRAMS,
    REFERENCE,
    ProgramVersion,
    is_version,
)
from support.units import Json, JsonMapping

DESCRIPTIONS, OLLAMA_VERSION = ("/api-doc/openapi.json", "/openapi.json"), "/api/version"
MCP_ROUTE = "/mcp"
MCP_INITIALIZE: JsonMapping = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mistralrs-acceptance", "version": "1"},
    },
}
# The titles of the descriptions of their APIs.
TITLES = {"Mistral.rs": MISTRALRS, REFERENCE: REFERENCE, "🦙 llama.cpp Python API": LLAMA_CPP_PYTHON}


def program_of(answer: Exchange) -> str:
    """The listed program that the `Server` header of a response names; empty when it names none."""
    name = answer.headers.get("server", "").partition("/")[0]
    return name if name in PROGRAMS else ""


def stated_version(client: ApiClient, answer: Exchange) -> ProgramVersion | None:
    """`answer`: any response of the server. None where it states nothing that is known."""
    header = program_of(answer)
    # The gateway passes on what it does not have itself: the description would be of the server behind it.
    for path in () if header == GATEWAY else DESCRIPTIONS:
        about = _object(_document(client, path).get("info"))
        title = TITLES.get(str(about.get("title")))
        if title and (found := _known(title, about.get("version"))):
            return found
    version = _document(client, OLLAMA_VERSION).get("version")
    if found := _known(header or OLLAMA, version, named=bool(header)):
        return found
    info = _object(_object(_document(client, MCP_ROUTE, MCP_INITIALIZE).get("result")).get("serverInfo"))
    if (name := info.get("name")) in PROGRAMS and (found := _known(str(name), info.get("version"))):
        return found
    return _known(header, answer.headers.get("server", "").partition("/")[2]) if header else None


def _known(program: str, version: Json, *, named: bool = True) -> ProgramVersion | None:
    return ProgramVersion(program, str(version), named) if is_version(str(version)) else None


def _document(client: ApiClient, path: str, message: JsonMapping | None = None) -> JsonMapping:
    try:
        answer = client.get(path) if message is None else client.post(path, message)
        return _object(answer.json()) if answer.status == 200 else {}
    except (RequestFailed, NotJson):
        return {}


def _object(value: Json) -> JsonMapping:
    return value if isinstance(value, dict) else {}
