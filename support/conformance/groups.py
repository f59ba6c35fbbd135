"""The checks of an API, cases and sequences together, by id and by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

from support.conformance.case_table import CaseError, case_ids, cases_of
from support.conformance.check_outcome import Check
from support.conformance.checked_client import CheckedClient
from support.conformance.registry import APIS
from support.conformance.sequence import SEQUENCES, RequestSequence
from support.errors import SettingsError
from support.http.client import ApiClient
from support.name_registry import unknown
from support.servers.endpoint import Endpoint

# Module of an API's sequences, and the client there that they use.
_SEQUENCES = {
    "ollama": ("support.conformance.sequences.ollama", "OllamaClient"),
    "responses": ("support.conformance.sequences.responses", "ResponsesClient"),
    "anthropic": ("support.conformance.sequences.anthropic", "CheckedClient"),
}


@cache
def sequences_of(api: str) -> Mapping[str, RequestSequence]:
    """Every sequence of an API by id."""
    if api in _SEQUENCES:
        import_module(_SEQUENCES[api][0])
    return {name: sequence for name, sequence in SEQUENCES.items() if name.startswith(f"{api}.")}


def sequence_client(client: ApiClient, server: Endpoint) -> CheckedClient:
    """The client that the sequences of this server's API use."""
    module, name = _SEQUENCES[server.api]
    made: CheckedClient = getattr(import_module(module), name)(client, server)
    return made


@cache
def checks_of(api: str) -> Mapping[str, Check]:
    """Every case and sequence of an API by id; raises `CaseError` for one that stands twice."""
    cases, sequences = cases_of(api), sequences_of(api)
    titles = {case.title: name for name, case in cases.items()}
    for name, sequence in sequences.items():
        if name in cases or titles.setdefault(sequence.title, name) != name:
            raise CaseError(f"sequence {name!r}: another check of the API has its id or title; rename one")
    return {**cases, **sequences}


@cache
def all_checks() -> Mapping[str, Check]:
    """Every check of every API by id."""
    return {name: check for api in APIS for name, check in checks_of(api).items()}


@cache
def check_ids() -> frozenset[str]:
    """The ids of all checks, for what a run validates before it starts."""
    return frozenset(name for api in APIS for name in (*case_ids(api), *sequences_of(api)))


def groups_of(api: str) -> Mapping[str, Sequence[Check]]:
    """The checks of each group of an API, in the order of the tables."""
    found: dict[str, list[Check]] = {}
    for check in checks_of(api).values():
        found.setdefault(check.group, []).append(check)
    return found


def group(api: str, name: str) -> Sequence[Check]:
    """The checks of a group; raises `CaseError` when there is none."""
    groups = groups_of(api)
    if name not in groups:
        raise CaseError(f"{unknown(f'group of the API {api!r}', name, groups)}")
    return groups[name]


def require_checks(names: Sequence[str], where: str) -> None:
    """Raises `SettingsError` for an id that no check has; `where`: what has named them."""
    for name in names:
        if name not in all_checks():
            raise SettingsError(f"{where}: {unknown('case', name, all_checks())}")
