"""The bodies of the Ollama API, read as Ollama reads them.

Ollama decodes with Go's encoding/json: field names match in any case, unknown ones are ignored, null leaves
the default, what follows the first value is ignored, and a wrong type has Go's error message. Each dataclass
is a struct of api/types.go; a field's annotation contains its reader.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, NamedTuple, NoReturn, TypeVar, get_type_hints

from support.bundled.ollama_gateway.errors import ApiError
from support.bundled.ollama_gateway.json_types import Json, JsonMapping

FOREVER = math.inf
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_THINK_LEVELS = ("high", "medium", "low")
_THINK_VALUES = '"high", "medium", "low", true, or false'


class FieldPath(NamedTuple):
    """A field, for an error text: the struct's name and the path of fields in it."""

    struct: str
    path: str

    def raise_type_error(self, value: object, go_type: str) -> NoReturn:
        """400 with the message of Go's UnmarshalTypeError."""
        raise ApiError(
            400,
            f"json: cannot unmarshal {_kind(value, go_type)} into Go struct field {self.struct}.{self.path}"
            f" of type {go_type}",
        )


Reader = Callable[[Json, FieldPath], Json]


def _kind(value: object, go_type: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {json.dumps(value)}" if go_type.startswith("int") else "number"
    kinds: dict[type, str] = {str: "string", list: "array", dict: "object"}
    return kinds[type(value)]


def _typed(kind: type, go_type: str) -> Reader:
    def read(value: object, where: FieldPath) -> Json:
        # bool is an int in Python, not in Go.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            where.raise_type_error(value, go_type)
        return value

    return read


_text = _typed(str, "string")
_flag = _typed(bool, "bool")
_number = _typed(int, "int")
_table = _typed(dict, "map[string]interface {}")


def _list_of(reader: Reader, go_type: str) -> Reader:
    def read(value: object, where: FieldPath) -> tuple[Json, ...]:
        if not isinstance(value, list):
            where.raise_type_error(value, go_type)
        return tuple(reader(item, where) for item in value if item is not None)

    return read


def _image(value: object, where: FieldPath) -> bytes:
    text = _typed(str, "api.ImageData")(value, where)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ApiError(400, "illegal base64 data at input byte 0") from None


_images = _list_of(_image, "[]api.ImageData")


def _nested(kind: type, go_type: str) -> Reader:
    def read(value: object, where: FieldPath) -> Json:
        if not isinstance(value, dict):
            where.raise_type_error(value, go_type)
        return _decode_struct(kind, value, where.struct, f"{where.path}.")

    return read


def _any_value(value: object, _: FieldPath) -> Json:
    return value


def _keep_alive(value: object, _: FieldPath) -> float:
    """Seconds, `FOREVER` for a negative one: a number of seconds, or a duration in Go's notation."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        kinds = {bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
        raise ApiError(400, f"Unsupported type: '{kinds[type(value)]}'")
    seconds = _duration(value) if isinstance(value, str) else float(value)
    return FOREVER if seconds < 0 else seconds


def _duration(text: str) -> float:
    """Seconds of Go's time.ParseDuration; raises `ApiError` with its message."""
    quoted = json.dumps(text, ensure_ascii=False)
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    seconds, at = 0.0, 0
    while at < len(unsigned):
        part = _DURATION_PART.match(unsigned, at)
        if part is None:
            break
        if not part[2]:
            raise ApiError(400, f"time: missing unit in duration {quoted}")
        if part[2] not in _UNITS:
            raise ApiError(400, f"time: unknown unit {json.dumps(part[2])} in duration {quoted}")
        seconds += float(part[1]) * _UNITS[part[2]]
        at = part.end()
    if not unsigned or at < len(unsigned):
        raise ApiError(400, f"time: invalid duration {quoted}")
    return -seconds if text.startswith("-") else seconds


def _think(value: object, _: FieldPath) -> bool | str:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise ApiError(400, f"think must be a boolean or string ({_THINK_VALUES})")
    if value not in _THINK_LEVELS:
        raise ApiError(400, f"invalid think value: {json.dumps(value)} (must be {_THINK_VALUES})")
    return value


@dataclass(frozen=True, slots=True)
class Function:
    """What a tool call calls; `arguments` is an object here, where OpenAI has a text."""

    name: Annotated[str, _text] = ""
    arguments: Annotated[JsonMapping | None, _table] = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model made in an earlier turn."""

    id: Annotated[str, _text] = ""
    function: Annotated[Function | None, _nested(Function, "api.ToolCallFunction")] = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Annotated[str, _text] = ""
    content: Annotated[str, _text] = ""
    images: Annotated[tuple[bytes, ...], _images] = ()
    tool_calls: Annotated[tuple[ToolCall, ...], _tool_calls] = ()
    tool_name: Annotated[str, _text] = ""
    tool_call_id: Annotated[str, _text] = ""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The fields of every request to a model."""

    model: Annotated[str, _text] = ""
    keep_alive: Annotated[float | None, _keep_alive] = None
    options: Annotated[JsonMapping | None, _table] = None


@dataclass(frozen=True, slots=True)
class AnswerRequest(ModelRequest):
    """The fields of every request for text."""

    stream: Annotated[bool | None, _flag] = None
    format: Annotated[Json, _any_value] = None
    think: Annotated[bool | str | None, _think] = None
    truncate: Annotated[bool | None, _flag] = None
    logprobs: Annotated[bool, _flag] = False
    top_logprobs: Annotated[int, _number] = 0


@dataclass(frozen=True, slots=True)
class GenerateRequest(AnswerRequest):
    """POST /api/generate"""

    prompt: Annotated[str, _text] = ""
    suffix: Annotated[str, _text] = ""
    system: Annotated[str, _text] = ""
    template: Annotated[str, _text] = ""
    context: Annotated[tuple[int, ...] | None, _list_of(_number, "[]int")] = None
    raw: Annotated[bool, _flag] = False
    images: Annotated[tuple[bytes, ...], _images] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest(AnswerRequest):
    """POST /api/chat"""

    messages: Annotated[tuple[Message, ...], _messages] = ()
    tools: Annotated[tuple[JsonMapping, ...], _tools] = ()


@dataclass(frozen=True, slots=True)
class EmbedRequest(ModelRequest):
    """POST /api/embed"""

    input: Annotated[Json, _any_value] = None
    truncate: Annotated[bool | None, _flag] = None
    dimensions: Annotated[int, _number] = 0

    def inputs(self) -> list[str]:
        """The texts. Raises `ApiError` 400 for anything but a text or a list of texts."""
        if self.input is None or self.input == "":
            return []
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ApiError(400, "invalid input type")
        return texts


@dataclass(frozen=True, slots=True)
class EmbeddingRequest(ModelRequest):
    """POST /api/embeddings, the older form"""

    prompt: Annotated[str, _text] = ""


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """POST /api/show; `name` is the older name of `model`"""

    model: Annotated[str, _text] = ""
    name: Annotated[str, _text] = ""
    verbose: Annotated[bool, _flag] = False


Struct = TypeVar("Struct")


@cache
def _readers(kind: type) -> Mapping[str, Reader]:
    """Name of each field -> what reads it."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _decode_struct(kind: type[Struct], table: JsonMapping, struct: str, prefix: str) -> Struct:
    folded = {name.casefold(): value for name, value in table.items()} | dict(table)
    given = {
        name: reader(value, FieldPath(struct, prefix + name))
        for name, reader in _readers(kind).items()  # type: ignore[arg-type]
        if (value := folded.get(name)) is not None
    }
    return kind(**given)


def read(kind: type[Struct], body: bytes) -> Struct:
    """The request in a body. Raises `ApiError` 400 with the message of Ollama or of Go's decoder."""
    value = first_value(body)
    if value is None:
        return kind()
    if not isinstance(value, dict):
        raise ApiError(
            400, f"json: cannot unmarshal {_kind(value, '')} into Go value of type api.{kind.__name__}"
        )
    return _decode_struct(kind, value, kind.__name__, "")


# Ollama reads a message through an alias of its type, which its error names.
_messages = _list_of(_nested(Message, "api.Alias"), "[]api.Message")
_tool_calls = _list_of(_nested(ToolCall, "api.ToolCall"), "[]api.ToolCall")
_tools = _list_of(_typed(dict, "api.Tool"), "api.Tools")


def _reject_constant(name: str) -> NoReturn:
    raise ApiError(400, f"invalid character '{name.lstrip('-')[0]}' looking for beginning of value")


def _parse_finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ApiError(400, f"json: cannot unmarshal number {text} into Go value of type float64")
    return number


decoder = json.JSONDecoder(parse_constant=_reject_constant, parse_float=_parse_finite)


def first_value(body: bytes) -> Json:
    """The first JSON value of a text; what follows it is ignored. Raises `ApiError` 400."""
    # Go replaces what is not UTF-8 instead of refusing it.
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise ApiError(400, "missing request body")
    try:
        return decoder.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise ApiError(400, _go_error_message(error)) from None
    except RecursionError:
        opening = "[" if text.count("[") > text.count("{") else "{"
        raise ApiError(400, f"invalid character '{opening}' exceeded max depth") from None
    except ValueError:
        # An integer beyond what Python converts; Go fails at the field that it is for.
        raise ApiError(400, "json: cannot unmarshal number: value out of range") from None


def _go_error_message(error: json.JSONDecodeError) -> str:
    at = error.pos
    if at >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    found = error.doc[at]
    if error.msg.startswith("Invalid control"):
        return f"invalid character {_quote_character(found)} in string literal"
    if error.msg.startswith("Invalid \\"):
        return (
            f"invalid character {_quote_character(error.doc[at + 1 : at + 2] or found)} in string escape code"
        )
    looking = {
        "Expecting property name": "looking for beginning of object key string",
        "Illegal trailing comma": "looking for beginning of object key string",
        "Expecting ':'": "after object key",
        "Expecting ','": "after object key:value pair"
        if _in_object(error.doc[:at])
        else "after array element",
    }
    expected = next((message for start, message in looking.items() if error.msg.startswith(start)), None)
    return f"invalid character {_quote_character(found)} {expected or 'looking for beginning of value'}"


def _in_object(before: str) -> bool:
    """Whether the innermost bracket that is still open in a piece of JSON is a brace."""
    without_texts = re.sub(r'"(?:[^"\\]|\\.)*"', "", before)
    depth = 0
    for character in reversed(without_texts):
        if character in "}]":
            depth += 1
        elif character in "{[":
            if depth == 0:
                return character == "{"
            depth -= 1
    return False


def _quote_character(found: str) -> str:
    """A character as Go's decoder quotes it."""
    # Go looks at bytes.
    found = chr(found.encode("utf-8", "replace")[0])
    special = {"'": r"'\''", '"': "'\"'", "\n": r"'\n'", "\t": r"'\t'", "\r": r"'\r'"}
    return special.get(found) or (f"'{found}'" if found.isprintable() else f"'\\x{ord(found):02x}'")
