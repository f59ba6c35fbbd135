"""A case's request, as bytes for one server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from support.conformance.generated_bodies import BODY_GENERATORS
from support.name_registry import unknown
from support.units import Json, JsonMapping, JsonObject

JSON_TYPE = "application/json"
Variables = Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """A request, to the byte."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class RequestSpec(BaseModel):
    """A request in a table: `json`, or a raw `body`, `body_hex`, or the name of a generated one; or none.

    `{model}` and the other names of a server are filled in everywhere. `without` takes fields out of `json`,
    by their paths (`options.seed`). `content_type = ""` sends none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "POST"
    path: str = Field(pattern="^/")
    json_: Json = Field(None, alias="json")
    body: str | None = None
    body_hex: str | None = None
    generate: str | None = None
    without: list[str] = []
    content_type: str = JSON_TYPE
    headers: dict[str, str] = {}

    @field_validator("generate")
    @classmethod
    def _check_generator(cls, name: str | None) -> str | None:
        if name is not None and name not in BODY_GENERATORS:
            raise ValueError(unknown("generated body", name, BODY_GENERATORS))
        return name

    @field_validator("body_hex")
    @classmethod
    def _check_hex(cls, text: str | None) -> str | None:
        if text is not None:
            bytes.fromhex(text)
        return text

    @model_validator(mode="after")
    def _check_single_body(self) -> RequestSpec:
        given = [part for part in (self.json_, self.body, self.body_hex, self.generate) if part is not None]
        if len(given) > 1:
            raise ValueError("give one of json, body, body_hex and generate")
        return self

    def build(self, variables: Variables, change: JsonMapping | None = None) -> Request:
        """The request for a server with these names; `change` replaces fields of the JSON."""
        body = self._body_bytes(variables, change or {})
        # An explicitly empty body has a media type as well.
        has_body = bool(body) or self.body is not None
        typed = {"Content-Type": self.content_type} if has_body and self.content_type else {}
        headers = {name: substitute(value, variables) for name, value in self.headers.items()}
        return Request(self.method, substitute(self.path, variables), {**typed, **headers}, body)

    def _body_bytes(self, variables: Variables, change: JsonMapping) -> bytes:
        if self.json_ is not None:
            document = self.json_
            if isinstance(document, dict):
                document = deep_merge(document, change)
                for name in self.without:
                    _remove_field(document, name.split("."))
            return json.dumps(substitute(document, variables), ensure_ascii=False).encode()
        if self.generate is not None:
            return BODY_GENERATORS[self.generate](variables)
        if self.body_hex is not None:
            return bytes.fromhex(self.body_hex)
        return str(substitute(self.body or "", variables)).encode()


def deep_merge(defaults: JsonMapping, own: JsonMapping) -> JsonObject:
    """`own`, completed with `defaults`; tables are merged, anything else is replaced."""
    both = {**defaults, **own}
    for name, value in own.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            both[name] = deep_merge(defaults[name], value)
    return both


def _remove_field(document: JsonObject, path: Sequence[str]) -> None:
    """The tables may be shared with other requests: what changes is copied."""
    name, *rest = path
    if not rest:
        document.pop(name, None)
    elif isinstance(document.get(name), dict):
        document[name] = dict(document[name])
        _remove_field(document[name], rest)


def substitute(value: object, variables: Variables) -> Json:
    """The same with `{model}` and the other names replaced; other braces stay as they are."""
    if isinstance(value, str):
        for name, text in variables.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, variables) for key, item in value.items()}
    return value
