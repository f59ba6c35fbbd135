"""Validates documents with the types of Open Responses; started with their package on PYTHONPATH: `FILE`.

The file has a list of [name, kind, document], kind is `response` or `event`. Printed is a list of
[name, errors] in the same order; no errors for a valid one.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Collection, Mapping
from enum import EnumType
from pathlib import Path
from typing import Any, get_args

Place = tuple[str, ...]


def errors_of_stated_types(found: Mapping[Place, str]) -> list[str]:
    """The errors of the types that the document states, where one of several types is allowed.

    Where it states none of them, that is the error.
    """
    others = {place: other for place in found if (other := _other_type(place, found))}
    stated = {place: text for place, text in found.items() if place not in others}
    # From the innermost place on: an error there is one of a stated type around it.
    for place in sorted({other[:-1] for other in others.values()}, key=len, reverse=True):
        if not any(one[: len(place)] == place for one in stated):
            stated[place] = "its type is none of those that are allowed here"
    return [f"{'.'.join(place)}: {text}" for place, text in stated.items()]


def _other_type(place: Place, found: Collection[Place]) -> Place | None:
    """The outermost type on the way to an error that the document does not state: its `type` is wrong.

    A path has the name of such a type as an element of its own.
    """
    types = (place[: end + 1] for end, part in enumerate(place) if part[:1].isupper())
    return next((one for one in types if (*one, "type") in found), None)


def main(file: str) -> None:
    from pydantic import BaseModel, ValidationError

    models = vars(importlib.import_module("openresponses_types"))
    events: dict[str, type[BaseModel]] = {}
    for name, model in models.items():
        if name.endswith("StreamingEvent") and issubclass(model, BaseModel):
            values = model.model_fields["type"].annotation
            names = list(values) if isinstance(values, EnumType) else get_args(values)
            events |= dict.fromkeys(map(str, names), model)

    def errors(kind: str, document: Any) -> list[str]:
        stated = document.get("type") if isinstance(document, dict) else document
        model = models["ResponseResource"] if kind == "response" else events.get(str(stated))
        if model is None:
            return [f"there is no event {stated!r}"]
        try:
            model.model_validate(document)
        except ValidationError as error:
            found = {tuple(map(str, one["loc"])): one["msg"] for one in error.errors()}
            return errors_of_stated_types(found)
        return []

    rows = json.loads(Path(file).read_bytes())
    print(json.dumps([[name, errors(kind, document)] for name, kind, document in rows]))


if __name__ == "__main__":
    main(sys.argv[1])
