"""Changes of one JSON document, in place: what a fault does to a response, an event of it, or a request.

A change is a table with the name of its operation: `{ add = "usage.completion_tokens", by = 1 }`. A path has
dots, numbers for places in a list (from the end if negative), and `*` for all members; one that the document
does not have is left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = Any
Change = Mapping[str, Any]
_CONVERSIONS: Mapping[str, Callable[[Json], Json]] = {
    "text": lambda value: value if isinstance(value, str) else json.dumps(value),
    "number": lambda value: float(value) if isinstance(value, int | str) else value,
    "json": lambda value: json.loads(value) if isinstance(value, str) and value else value,
    "list": lambda value: [value],
    "first": lambda value: value[0] if isinstance(value, list) and value else value,
}


def places(document: Json, path: str) -> Iterator[tuple[Json, Any]]:
    """Each container with the key in it that a path leads to; the last key of an object may be missing."""
    *steps, last = path.split(".")
    containers = [document]
    for step in steps:
        containers = [child for container in containers for _, child in _members(container, step)]
    for container in containers:
        if isinstance(container, dict) and last != "*":
            yield container, last
        else:
            yield from ((container, key) for key, _ in _members(container, last))


def _members(container: Json, step: str) -> list[tuple[Any, Json]]:
    if isinstance(container, dict):
        if step == "*":
            return list(container.items())
        return [(step, container[step])] if step in container else []
    if isinstance(container, list):
        if step == "*":
            return list(enumerate(container))
        if step.lstrip("-").isdigit() and -len(container) <= int(step) < len(container):
            return [(int(step), container[int(step)])]
    return []


def values(document: Json, path: str) -> list[Json]:
    """What is at the path."""
    return [c[k] for c, k in places(document, path) if isinstance(c, list) or k in c]


def _existing(document: Json, path: str) -> list[tuple[Json, Any]]:
    return [(c, k) for c, k in places(document, path) if isinstance(c, list) or k in c]


def _set(document: Json, change: Change) -> None:
    """Without `to` it becomes null."""
    for container, key in list(places(document, change["set"])):
        container[key] = change.get("to")


def _drop(document: Json, change: Change) -> None:
    for container, key in reversed(_existing(document, change["drop"])):
        del container[key]


def _add(document: Json, change: Change) -> None:
    for container, key in _existing(document, change["add"]):
        if isinstance(container[key], int | float):
            container[key] += change["by"]


def _multiply(document: Json, change: Change) -> None:
    for container, key in _existing(document, change["multiply"]):
        if isinstance(container[key], int | float):
            product = container[key] * change["by"]
            container[key] = round(product) if change.get("whole") else product


def _convert(document: Json, change: Change) -> None:
    for container, key in _existing(document, change["convert"]):
        container[key] = _CONVERSIONS[change["to"]](container[key])


def _substitute(document: Json, change: Change) -> None:
    for container, key in _existing(document, change["substitute"]):
        if isinstance(container[key], str):
            container[key] = re.sub(change["pattern"], change["by"], container[key], flags=re.DOTALL)


def _rename(document: Json, change: Change) -> None:
    for container, key in _existing(document, change["rename"]):
        container[change["to"]] = container.pop(key)


def _sequences(document: Json, path: str) -> list[tuple[Json, Any]]:
    """The texts and lists at the path: one that may be there is null in other answers."""
    return [(c, k) for c, k in _existing(document, path) if isinstance(c[k], str | list)]


def _reverse(document: Json, change: Change) -> None:
    for container, key in _sequences(document, change["reverse"]):
        container[key] = container[key][::-1]


def _repeat(document: Json, change: Change) -> None:
    for container, key in _sequences(document, change["repeat"]):
        container[key] = container[key] * int(change["times"])


def _keep(document: Json, change: Change) -> None:
    """The first (or, if negative, the last) so many members of a list or characters of a text."""
    for container, key in _sequences(document, change["keep"]):
        number = int(change["number"])
        container[key] = container[key][:number] if number >= 0 else container[key][number:]


def _copy(document: Json, change: Change) -> None:
    found = values(document, change["copy"])
    for container, key in list(places(document, change["to"])) if found else []:
        container[key] = json.loads(json.dumps(found[0]))


def _wrap(document: Json, change: Change) -> None:
    """All members of the document become members of one object in it."""
    if isinstance(document, dict):
        inner = dict(document)
        document.clear()
        document[change["wrap"]] = inner


def _shuffle_keys(document: Json, _: Change) -> None:
    """The members of each object in the opposite order."""
    if isinstance(document, dict):
        items = list(document.items())[::-1]
        document.clear()
        document.update(items)
    for child in document.values() if isinstance(document, dict) else document:
        if isinstance(child, dict | list):
            _shuffle_keys(child, _)


OPERATIONS: Mapping[str, Callable[[Json, Change], None]] = {
    "set": _set,
    "drop": _drop,
    "add": _add,
    "multiply": _multiply,
    "convert": _convert,
    "substitute": _substitute,
    "rename": _rename,
    "reverse": _reverse,
    "repeat": _repeat,
    "keep": _keep,
    "copy": _copy,
    "wrap": _wrap,
    "shuffle_keys": _shuffle_keys,
    # Only written anew.
    "ascii": lambda _document, _change: None,
}


def is_json_change(change: Change) -> bool:
    """Whether it is one of a document, in contrast to one of events or bytes."""
    return not OPERATIONS.keys().isdisjoint(change)


def apply(document: Json, change: Change) -> None:
    """Change the document; raises KeyError when it is no change of a document."""
    name = next(name for name in OPERATIONS if name in change)
    OPERATIONS[name](document, change)
