"""A case's request, as bytes for one server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from support.units import Json, JsonMapping, JsonObject

JSON_TYPE = "application/json"
Variables = Mapping[str, str]
# `{400*word }` is `word ` 400 times; `{3-5*"#", }` is that text for each number from 3 to 5.
REPETITION = re.compile(r"\{(?:(\d+)-)?(\d+)\*([^{}]*)\}")


@dataclass(frozen=True)
class Request:
    """A request, to the byte."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class RequestSpec(BaseModel):
    """A request in a table: `json`, or a raw `body` or `body_hex`, or none.

    `{model}` and the other names of a server are filled in everywhere, and repetitions such as `{400*word }`
    are expanded. `null` sets fields of `json` to null, which TOML lacks, and `without` removes them; both by
    their paths (`options.seed`, `messages.0.content`). `content_type = ""` sends none, as does an
    empty header.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "POST"
    path: str = Field(pattern="^/")
    json_: Json = Field(None, alias="json")
    body: str | None = None
    body_hex: str | None = None
    without: list[str] = []
    null: list[str] = []
    content_type: str = JSON_TYPE
    headers: dict[str, str] = {}

    @field_validator("body_hex")
    @classmethod
    def _check_hex(cls, text: str | None) -> str | None:
        if text is not None:
            bytes.fromhex(text)
        return text

    @model_validator(mode="after")
    def _check_single_body(self) -> RequestSpec:
        given = [part for part in (self.json_, self.body, self.body_hex) if part is not None]
        if len(given) > 1:
            raise ValueError("give one of json, body and body_hex")
        for path in self.null:
            if not isinstance(self.json_, dict) or _parent(dict(self.json_), path) is None:
                raise ValueError(f"null: the json has no place for {path!r}")
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
                document = self._edited(deep_merge(document, change))
            return json.dumps(substitute(document, variables), ensure_ascii=False).encode()
        if self.body_hex is not None:
            return bytes.fromhex(self.body_hex)
        return str(substitute(self.body or "", variables)).encode()

    def _edited(self, document: JsonObject) -> JsonObject:
        for path in self.null:
            parent = _parent(document, path)
            parent[_key(parent, path)] = None
        for path in self.without:
            parent = _parent(document, path)
            if parent is not None:
                parent.pop(_key(parent, path), None)
        return document


def deep_merge(defaults: JsonMapping, own: JsonMapping) -> JsonObject:
    """`own`, completed with `defaults`; tables are merged, anything else is replaced."""
    both = {**defaults, **own}
    for name, value in own.items():
        if isinstance(value, dict) and isinstance(defaults.get(name), dict):
            both[name] = deep_merge(defaults[name], value)
    return both


def _parent(document: Json, path: str) -> Json:
    """The object or list that holds what lies at a path (`messages.0.content`); None when it is not there.

    Parts of the document may be shared with other requests: those on the way are copied.
    """
    for name in path.split(".")[:-1]:
        key = _key(document, name)
        present = key in document if isinstance(document, dict) else key < len(document)
        if not present or not isinstance(document[key], dict | list):
            return None
        document[key] = document[key].copy()
        document = document[key]
    return document


def _key(parent: Json, path: str) -> Json:
    """The last word of a path, as a position where the parent is a list."""
    name = path.rpartition(".")[2]
    return int(name) if isinstance(parent, list) else name


def substitute(value: object, variables: Variables) -> Json:
    """The same with `{model}` and the other names replaced, and with `REPETITION`; other braces stay."""
    if isinstance(value, str):
        for name, text in variables.items():
            value = value.replace(f"{{{name}}}", text)
        return REPETITION.sub(_repeat, value)
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, variables) for key, item in value.items()}
    return value


def _repeat(found: re.Match[str]) -> str:
    first, last, text = found.groups()
    if first is None:
        return str(text * int(last))
    return "".join(text.replace("#", str(number)) for number in range(int(first), int(last) + 1))
