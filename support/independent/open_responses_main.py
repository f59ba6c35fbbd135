"""Validates documents with the types of Open Responses; started with their package on PYTHONPATH: `FILE`.

The file has a list of [name, kind, document], kind is `response` or `event`. Printed is a list of
[name, errors] in the same order; no errors for a valid one.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Collection, Sequence
from enum import EnumType
from pathlib import Path
from typing import Any, get_args


def is_meant(place: Sequence[str], found: Collection[tuple[str, ...]]) -> bool:
    """Whether an error is one of the type that the document states, where one of several types is allowed.

    The path has the name of such a type as an element of its own; one of another `type` is not meant.
    """
    branches = (tuple(place[: end + 1]) for end, part in enumerate(place) if part[:1].isupper())
    return not any((*branch, "type") in found for branch in branches)


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
        model = models["ResponseResource"] if kind == "response" else events.get(document.get("type"))
        if model is None:
            return [f"there is no event {document.get('type')!r}"]
        try:
            model.model_validate(document)
        except ValidationError as error:
            found = {tuple(map(str, one["loc"])): one["msg"] for one in error.errors()}
            return [f"{'.'.join(place)}: {text}" for place, text in found.items() if is_meant(place, found)]
        return []

    rows = json.loads(Path(file).read_bytes())
    print(json.dumps([[name, errors(kind, document)] for name, kind, document in rows]))


if __name__ == "__main__":
    main(sys.argv[1])
