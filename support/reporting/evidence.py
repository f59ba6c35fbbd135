"""What a failed scenario leaves: shown in Allure, and kept as files in a folder of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from support.http.client import ApiClient
from support.http.exchange import SECRET_HEADERS, Exchange, readable
from support.programs.process import CompletedCommand
from support.programs.starts import ServerStart
from support.reporting.behave_events import location_of, warn_incomplete
from support.reporting.repeat_script import SCRIPT, last_exchanges, replay_evidence, suite_evidence
from support.results.check import CheckResult, describe_failure
from support.results.outcome import PACKED, Evidence, Measurement, Verdict
from support.results.redaction import redact_data
from support.results.safe_text import visible

FOLDER = "evidence"
METRICS_SECONDS = 2.0
LOG_CHARACTERS = 200_000
KEPT_BYTES = 200_000
MAX_CHUNKS = 1000
MAX_FOLDER_NAME = 80
# Allure's viewer masks exactly this text.
ALLURE_REDACTED = "__ALLURE_REDACTED__"


class Metrics:
    """The target's `/metrics` before the scenario used its API, and after it failed, where there are any.

    The text format of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._before = self._read()

    def attachments(self) -> Iterable[Evidence]:
        """Both, or nothing when the target has none."""
        if self._before is not None:
            yield Evidence.text("metrics before", self._before, "metrics-before.txt")
            # A cleanup that failed comes after the client was closed.
            if self._client.closed:
                return
            after = self._read()
            yield Evidence.text("metrics after", after or "(no answer)\n", "metrics-after.txt")

    def _read(self) -> str | None:
        exchange = self._client.try_get("/metrics", timeout=METRICS_SECONDS)
        if exchange is None or exchange.status != 200 or exchange.content_type != "text/plain":
            return None
        return exchange.text


@dataclass(frozen=True)
class Transcript:
    """What went over a terminal: `raw` with its escape sequences, `screen` as text where it was rendered."""

    name: str
    raw: str
    screen: str | None = None

    def attachments(self, number: int) -> Iterable[Evidence]:
        """The screen, then all that went over it: control characters shown, so that none acts again."""
        if self.screen is not None:
            screen = visible(self.screen).rstrip() or "(blank)"
            yield Evidence.text(f"{self.name}: screen", f"{screen}\n", f"screen-{number}.txt")
        text = visible(self.raw)[-LOG_CHARACTERS:] or "(nothing)"
        yield Evidence.text(f"{self.name}: transcript", f"{text}\n", f"transcript-{number}.txt")


class EvidenceSource(Protocol):
    """What a scenario's world offers when the verdict is known."""

    evidence: list[Evidence]
    measures: list[Measurement]
    checks: list[CheckResult]
    check_evidence: dict[str, list[Evidence]]

    def collect(self) -> None:
        """Gather what a reader of a failure needs; a second call adds nothing."""


@dataclass(frozen=True)
class ScenarioEvidence:
    """What there was in the scenario: terminals, requests, commands, the log of its server since it began.

    `starts`: of its servers, those that failed included; `folder`: that of the scenario; `replayable`:
    whether its requests, one after the other, are all that it did.
    """

    settings: Sequence[tuple[str, str, str]]
    log: str | None = None
    exchanges: Sequence[Exchange] = ()
    metrics: Metrics | None = None
    commands: Sequence[CompletedCommand] = ()
    transcripts: Sequence[Transcript] = ()
    starts: Sequence[ServerStart] = ()
    folder: Path | None = None
    replayable: bool = True

    def attachments(self) -> list[Evidence]:
        """All of it, the most useful first."""
        found: list[Evidence] = []
        for number, transcript in enumerate(self.transcripts, 1):
            found += transcript.attachments(number)
        if self.exchanges:
            found += [
                exchange_evidence(exchange, f"exchange-{number}.json")
                for number, exchange in last_exchanges(self.exchanges)
            ]
        if self.replayable and (self.exchanges or self.starts):
            found += replay_evidence(self.exchanges, self.starts, self.folder)
        found += command_evidence(self.commands)
        if self.log is not None:
            log = visible(self.log)[-LOG_CHARACTERS:] or "(nothing since the scenario began)\n"
            found.append(Evidence.text("server log", log, "server.log"))
        if self.metrics is not None:
            found += self.metrics.attachments()
        rows = [f"{name} = {value} ({origin})\n" for name, value, origin in self.settings]
        return [*found, Evidence.text("settings", "".join(rows), "settings.txt")]


def finalize(
    scenario: Any, verdict: Verdict, settings: Sequence[tuple[str, str, str]], reports: Path
) -> None:
    """Once the verdict is known: what the scenario leaves for the reports, and a folder if it did not pass.

    Not earlier: a cleanup, a budget or the list of known issues may still turn a pass into a failure. A known
    issue keeps its evidence too: a reader has to see whether it is still the same failure. `scenario.world`
    (an `EvidenceSource`) is released; without one (a hook failed before) the folder has what there is.
    """
    world: EvidenceSource | None = scenario.__dict__.pop("world", None)
    kept = verdict.gates or verdict.status == "known_issue"
    if kept and world is not None:
        try:
            world.collect()
        except Exception as error:  # noqa: BLE001 - missing evidence does not change a result
            warn_incomplete("evidence", error)
    if world is not None:
        scenario.evidence, scenario.measures = tuple(world.evidence), tuple(world.measures)
        scenario.checks = tuple(world.checks)
    if kept:
        pieces = list(getattr(scenario, "evidence", None) or ScenarioEvidence(settings).attachments())
        if not _has_script(pieces):
            pieces.append(suite_evidence("scenario", [location_of(scenario)], settings))
            scenario.evidence = tuple(pieces)
        output = visible(str(scenario.captured.output or ""))
        if output:
            pieces.insert(0, Evidence.text("output", output[-LOG_CHARACTERS:], "output.txt"))
        pieces.insert(0, failure_evidence(verdict.message, verdict.trace, verdict.why))
        write_evidence(pieces, reports, str(scenario.name or scenario.keyword))
    if kept and world is not None:
        for check in world.checks:
            if check.status in ("failed", "known_issue"):
                text = Evidence.text("failure", f"{visible(describe_failure(check))}\n", "failure.txt")
                pieces = [text, *world.check_evidence.get(check.id, ())]
                if not _has_script(pieces):
                    pieces.append(suite_evidence("check", ["--case", check.id], settings))
                write_evidence(pieces, reports, check.id)


def _has_script(pieces: Iterable[Evidence]) -> bool:
    return any(piece.file == SCRIPT for piece in pieces)


def failure_evidence(message: str, trace: str, known_issue: str = "") -> Evidence:
    """What went wrong, as a file: a folder of evidence is read without the report as well."""
    words = [
        f"known issue: {known_issue}" if known_issue else "",
        message or "it failed without a message",
        trace,
    ]
    text = "\n\n".join(visible(part) for part in words if part)
    return Evidence.text("failure", f"{text}\n", "failure.txt")


def command_evidence(commands: Sequence[CompletedCommand]) -> list[Evidence]:
    """Each command with its exit code and output."""
    return [
        Evidence.text("command", visible(f"{_command_text(outcome)}\n"), f"command-{number}.txt")
        for number, outcome in enumerate(commands, 1)
    ]


def exchange_evidence(exchange: Exchange, file: str) -> Evidence:
    """Allure's request and response viewer, secrets masked; `chunks` are for other readers."""
    document = {
        "start": 0,
        "stop": round(exchange.seconds * 1000),
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "headers": _pairs(exchange.request_headers),
            "body": {"encoding": "utf8", "value": readable(exchange.request_body, KEPT_BYTES)},
        },
        "response": {
            "status": exchange.status,
            "headers": _pairs(exchange.headers),
            "body": {"encoding": "utf8", "value": readable(exchange.body, KEPT_BYTES)},
        },
        "seconds": round(exchange.seconds, 6),
        "chunks": [
            {"after": round(moment, 6), "bytes": len(chunk)} for moment, chunk in exchange.chunks[:MAX_CHUNKS]
        ],
    }
    name = f"{exchange.method} {exchange.url}"
    return Evidence(name, "application/vnd.allure.http+json", json.dumps(document).encode(), file)


def _pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"name": name, "value": ALLURE_REDACTED if name.lower() in SECRET_HEADERS else value}
        for name, value in headers.items()
    ]


def write_evidence(attachments: Iterable[Evidence], reports: Path, name: str) -> Path | None:
    """Write them to a folder in `evidence/` below the reports, or None when it cannot be written.

    It is named after the check's id or the scenario's title. Two of one name do not share: the second folder
    gets a number. A full disk costs the evidence and a line on the terminal, not the run.
    """
    try:
        return _write_files(attachments, reports / FOLDER, folder_name(name))
    except OSError as error:
        warn_incomplete("evidence", error)
        return None


def folder_name(name: str) -> str:
    """The name of a folder for an id or a title; one that is cut ends with a hash of the whole name."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "scenario"
    if len(plain) <= MAX_FOLDER_NAME:
        return plain
    return f"{plain[: MAX_FOLDER_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _write_files(attachments: Iterable[Evidence], place: Path, name: str) -> Path:
    folder, number = place / name, 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
            folder = place / f"{name}-{number}"
    for position, piece in enumerate(attachments, 1):
        file = piece.file or f"{position}-{re.sub(r'[^A-Za-z0-9.]+', '-', piece.name)[:60]}"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        # Packed data has been redacted before; what looks like a secret in a model is none.
        packed = piece.media_type in PACKED or (piece.folder_only and b"\0" in piece.data)
        (folder / file).write_bytes(piece.data if packed else redact_data(piece.data))
    return folder


def _command_text(outcome: CompletedCommand) -> str:
    return (
        f"$ {' '.join(outcome.command)}\n[exit {outcome.exit_code} after {outcome.seconds:.2f} s]\n"
        f"--- stdout\n{outcome.stdout[-LOG_CHARACTERS:]}\n--- stderr\n{outcome.stderr[-LOG_CHARACTERS:]}"
    )
