"""Program and version that a server states itself, by the first of these that has them:

- the `Server` header, with the name of a program that is listed (`mistralrs-gateway`)
- `info.title` and `info.version` of `/api-doc/openapi.json` (mistral.rs and the reference server)
- `/api/version` (Ollama; other servers of its API have it too, so the setting `target_version` comes before)
"""

from __future__ import annotations

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange, NotJson
from support.results.program_version import MISTRALRS, OLLAMA, PROGRAMS, REFERENCE, ProgramVersion, is_version
from support.units import Json, JsonMapping

DESCRIPTION, OLLAMA_VERSION = "/api-doc/openapi.json", "/api/version"
# The title of mistral.rs' description of its API, and that of the reference server.
TITLES = {"Mistral.rs": MISTRALRS, REFERENCE: REFERENCE}


def program_of(answer: Exchange) -> str:
    """The listed program that the `Server` header of a response names; empty when it names none."""
    name = answer.headers.get("server", "").partition("/")[0]
    return name if name in PROGRAMS else ""


def stated_version(client: ApiClient, answer: Exchange) -> ProgramVersion | None:
    """`answer`: any response of the server. None where it states nothing that is known."""
    name, version = program_of(answer), answer.headers.get("server", "").partition("/")[2]
    if name and is_version(version):
        return ProgramVersion(name, version)
    about = {} if name else _object(_document(client, DESCRIPTION).get("info"))
    title = TITLES.get(str(about.get("title")), "")
    version = str(about.get("version") if title else _document(client, OLLAMA_VERSION).get("version"))
    name = name or title
    return ProgramVersion(name or OLLAMA, version, named=bool(name)) if is_version(version) else None


def _document(client: ApiClient, path: str) -> JsonMapping:
    try:
        answer = client.get(path)
        return _object(answer.json()) if answer.status == 200 else {}
    except (RequestFailed, NotJson):
        return {}


def _object(value: Json) -> JsonMapping:
    return value if isinstance(value, dict) else {}
