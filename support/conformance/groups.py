"""The checks of all APIs by id, and those of an API by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from support.conformance import case_table
from support.conformance.api import API_NAMES
from support.conformance.case_table import CaseError, Check, checks_of
from support.errors import SettingsError
from support.name_registry import unknown


@cache
def all_checks() -> Mapping[str, Check]:
    """Every check of every API by id."""
    return {name: check for api in API_NAMES for name, check in checks_of(api).items()}


@cache
def check_ids() -> frozenset[str]:
    """The ids of all checks, for what a run validates before it starts."""
    return frozenset(name for api in API_NAMES for name in case_table.check_ids(api))


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
        raise CaseError(unknown(f"group of the API {api!r}", name, groups))
    return groups[name]


def require_checks(names: Sequence[str], where: str) -> None:
    """Raises `SettingsError` for an id that no check has; `where`: what has named them."""
    for name in names:
        if name not in all_checks():
            raise SettingsError(f"{where}: {unknown('case', name, all_checks())}")
