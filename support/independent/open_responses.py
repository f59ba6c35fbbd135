"""The types of Open Responses (`openresponses-types`), a strict reading of the Responses API by others.

Requests of its compliance tests are sent to the server; the response, or each event of a stream, is validated
with their types. One test is a response, or all events of one type in a stream.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from support.http.client import ApiClient, RequestFailed
from support.http.exchange import Exchange, NotJson
from support.http.framing import FramingError, parse_events
from support.independent.results import Rule, SuiteBroken, TestOutcome
from support.programs.child_environment import child_environment
from support.programs.install import InstalledProgram
from support.programs.process import run_command

ROUTE = "/v1/responses"
VALIDATION_SECONDS = 60.0
_PROGRAM = Path(__file__).with_name("open_responses_main.py")
# Name of the test, kind, document.
Row = tuple[str, str, Any]


def run(
    program: InstalledProgram,
    part: Mapping[str, Any],
    rules: Sequence[Rule],  # noqa: ARG001 - the requests are those of this suite: all apply
    url: str,
    folder: Path,
    within: float,
) -> list[TestOutcome]:
    """Send the requests of a part to the server at a URL; `within`: seconds for all of them."""
    rows: list[Row] = []
    outcomes: list[TestOutcome] = []
    with contextlib.closing(ApiClient(url, timeout=within)) as client:
        for name, request in part["requests"].items():
            try:
                exchange = client.post(ROUTE, {"model": part["model"], **request})
                rows += documents(name, exchange, stream=request.get("stream", False))
            except (RequestFailed, NotJson, FramingError, ValueError) as error:
                outcomes.append(TestOutcome(name, "failed", str(error)))
    return [*outcomes, *validate(program, rows, folder)]


def documents(name: str, exchange: Exchange, *, stream: bool) -> Iterator[Row]:
    """What is to be validated of one exchange; raises `FramingError`, `NotJson`, ValueError for a status."""
    if exchange.status != 200:
        raise ValueError(f"expected 200, got {exchange.in_short}")
    if not stream:
        yield name, "response", exchange.json()
        return
    events = [json.loads(event.data) for event in parse_events(exchange.body) if event.data != "[DONE]"]
    if not events:
        raise ValueError(f"expected events, got {exchange.in_short}")
    for document in events:
        kind = document.get("type") if isinstance(document, dict) else None
        yield f"{name}/{kind}", "event", document


def validate(program: InstalledProgram, rows: Sequence[Row], folder: Path) -> list[TestOutcome]:
    """The outcome of each test by the types of the package; raises `SuiteBroken` when they cannot be used."""
    file = folder / "documents.json"
    file.write_text(json.dumps(rows))
    environment = child_environment(folder, PYTHONPATH=str(program.path.parents[1]))
    command: list[str | Path] = [sys.executable, _PROGRAM, file]
    done = run_command(command, within=VALIDATION_SECONDS, env=environment, cwd=folder)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise SuiteBroken(f"{program.name} validated nothing: {done.describe()}") from None
    errors: dict[str, dict[str, None]] = {}
    for name, texts in found:
        errors.setdefault(name, {}).update(dict.fromkeys(texts))
    return [
        TestOutcome(name, "failed" if texts else "passed", "; ".join(texts), tuple(texts))
        for name, texts in errors.items()
    ]
