"""Requests made up by Schemathesis from the target's own description of its API, for a bounded time.

Asked is what no client may bring about, whatever it sends: a server error (status 500 and above), an answer
that does not come, the end of the server. That a description promises too little is no finding here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from support.errors import NotSupported
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NO_STATUS, Exchange
from support.programs.child_environment import child_environment
from support.programs.process import CommandTimeout, run_command
from support.units import JsonMapping

DESCRIPTION = "/api-doc/openapi.json"
MODULE = "schemathesis"
SEED = 1
ANSWER_SECONDS = 10
# To start, to end, and for a request that is under way when the time is over.
SLACK_SECONDS = 30.0
# A request may ask for countless answers. What that costs is to be the server's end, not the machine's.
MEMORY_BYTES = 4 * 1024**3
SHOWN = 3000
SHOWN_FINDINGS = 20
_GENERATED = re.compile(r"(\d+) generated")
# What differs from one refusal to the next: names, numbers.
_VARIABLE_PARTS = re.compile(r"'[^']*'|\d+")
_MESSAGE = re.compile(r'"message":\s*"((?:[^"\\]|\\.)*)"')
SHOWN_CHARACTERS = 200
# Its exit codes: 0 nothing found, 1 failures found, 2 wrong usage; others are errors of its own.
CLEAN, FOUND = 0, 1


@dataclass(frozen=True)
class Finding:
    """One kind of what should not be. `times`: requests that did it; `repeat` sends the shortest of them."""

    what: str
    route: str
    times: int
    repeat: str

    def __str__(self) -> str:
        return f"{self.route}: {self.what} ({self.times} x)\n  {self.repeat}"


@dataclass(frozen=True)
class FuzzReport:
    """What came of it. `failures`: answers with a status of 500 and above, by kind.

    `silences`: requests without an answer, in the order in which they were sent: what came after the first
    may be its victims. `alive`: whether the server was there at the end. `told`: Schemathesis's own words.
    """

    requests: int
    failures: tuple[Finding, ...] = ()
    unanswered: tuple[Finding, ...] = ()
    alive: bool = True
    output: str = ""

    def require_alive(self) -> None:
        """The server is still there; raises AssertionError with the request that it did not answer first."""
        last = f"; the first one without an answer:\n{self.unanswered[0]}" if self.unanswered else ""
        assert self.alive, f"{self.requests} generated requests ended the server{last}"

    def require_answered(self, limit: float) -> None:
        """Every request was answered within so many seconds, which is how long a client has waited."""
        if limit != ANSWER_SECONDS:
            raise ValueError(f"requests wait {ANSWER_SECONDS} s for an answer, not {limit:g} s")
        later = "\n(what follows the first one may be its consequence)" if len(self.unanswered) > 1 else ""
        assert not self.unanswered, (
            f"not every generated request was answered within {limit:g} s{later}:\n{_listed(self.unanswered)}"
        )

    def require_no_failure(self) -> None:
        """Raises AssertionError with the kinds of server errors."""
        assert not self.failures, (
            f"{len(self.failures)} kinds of generated requests got a server error:\n{_listed(self.failures)}"
        )

    def require_request_count(self, least: int) -> None:
        """It really asked; raises AssertionError with what it told."""
        assert self.requests >= least, f"only {self.requests} requests were made:\n{self.output[-SHOWN:]}"

    def replay_script(self) -> str:
        """A list of all findings, each with the command that repeats it."""
        found = [*self.unanswered, *self.failures]
        return "\n\n".join(map(str, found)) + "\n" if found else "(nothing was found)\n"


def require_installed() -> None:
    """Raises `NotSupported` when Schemathesis is not installed."""
    if importlib.util.find_spec(MODULE) is None:
        raise NotSupported(f"needs {MODULE}; `uv sync --group fuzz` installs it")


def bound_memory(pid: int) -> None:
    """Let the process have 4 GiB of memory more than now, where the system has such limits (Linux)."""
    if sys.platform == "linux":
        process = psutil.Process(pid)
        most = process.memory_info().vms + MEMORY_BYTES
        process.rlimit(psutil.RLIMIT_AS, (most, most))


def fuzz(url: str, folder: Path, seconds: float, alive: Callable[[], bool]) -> FuzzReport:
    """Make up requests to a server on loopback for so many seconds; `alive` says whether it is still there.

    Raises `NotSupported` when the server describes nothing.
    """
    description, reports = _description(url, folder), folder / "made-up"
    command: list[str | Path] = [
        *(sys.executable, "-m", MODULE + ".cli", "run", description, "--url", url),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing"),
        *("--max-time", str(int(seconds)), "--seed", str(SEED), "--continue-on-failure", "--no-shrink"),
        *("--request-timeout", str(ANSWER_SECONDS), "--warnings", "off", "--no-color"),
        # Without it `max_tokens` would be taken for a secret.
        *("--output-sanitize", "false", "--report", "har", "--report-dir", reports),
    ]
    environment = {**child_environment(folder), "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore"}
    try:
        done = run_command(
            command, within=seconds + SLACK_SECONDS, folder=folder, env=environment, cwd=folder
        )
    except CommandTimeout as error:
        raise RuntimeError(f"{MODULE} did not come to its end: {error}") from None
    told = done.stdout + done.stderr
    if done.exit_code not in (CLEAN, FOUND):
        raise RuntimeError(f"{MODULE} ended with {done.exit_code}: {told[-SHOWN:]}")
    made = _GENERATED.search(told)
    exchanges = [exchange for file in reports.glob("*") for exchange in read_har(file.read_bytes())]
    return classify(exchanges, int(made[1]) if made else 0, told, alive=alive())


@dataclass(frozen=True)
class ChoicesOutcome:
    """The response to a request for too many choices, or why there is none. `sent`: the request."""

    response: Exchange | RequestFailed
    sent: Exchange

    def require_refused(self) -> None:
        """Raises AssertionError unless it was refused as an error of the client."""
        assert isinstance(self.response, Exchange), (
            f"expected a refusal: {self.response}\nrepeat: {self.sent.curl()}"
        )
        assert 400 <= self.response.status < 500, f"expected a refusal\n{self.response.describe()}"


def request_choices(client: ApiClient, choices: int) -> ChoicesOutcome:
    """Request more choices than there is memory for.

    OpenAI takes 128 at most (API reference, Create chat completion, n).
    """
    body = {"model": "default", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    try:
        response: Exchange | RequestFailed = client.post("/v1/chat/completions", body | {"n": choices})
    except RequestFailed as error:
        response = error
    return ChoicesOutcome(response, client.exchanges[-1])


def read_har(archive: bytes) -> list[Exchange]:
    """The requests of an HTTP archive (HAR 1.2), in order; status 0 where no answer came."""
    return [_exchange(entry) for entry in json.loads(archive)["log"]["entries"]]


def _exchange(entry: JsonMapping) -> Exchange:
    asked, answered = entry["request"], entry["response"]
    sent = {header["name"]: header["value"] for header in asked["headers"]}
    body = str(asked.get("postData", {}).get("text", "")).encode(errors="surrogatepass")
    text = str(answered["content"].get("text", "")).encode(errors="surrogatepass")
    seconds = entry["time"] / 1000
    return Exchange(asked["method"], asked["url"], sent, body, answered["status"], {}, text, seconds)


def classify(exchanges: Iterable[Exchange], requests: int, output: str = "", *, alive: bool) -> FuzzReport:
    """Sort what came back. Of a server that has died only the first silence tells something."""
    silences: dict[tuple[str, str], list[Exchange]] = {}
    failures: dict[tuple[str, str], list[Exchange]] = {}
    for exchange in exchanges:
        route = f"{exchange.method} {urlsplit(exchange.url).path}"
        if exchange.status == NO_STATUS:
            silences.setdefault((route, "no answer"), []).append(exchange)
        elif exchange.status >= 500:
            failures.setdefault((route, _VARIABLE_PARTS.sub("…", _response_summary(exchange))), []).append(
                exchange
            )
    silent = _findings(silences, first=True)
    return FuzzReport(requests, _findings(failures), silent if alive else silent[:1], alive, output)


def _findings(kinds: Mapping[tuple[str, str], list[Exchange]], *, first: bool = False) -> tuple[Finding, ...]:
    """One for each kind, with the shortest request, or the first one."""
    chosen = [
        (route, found, found[0] if first else min(found, key=_size)) for (route, _), found in kinds.items()
    ]
    return tuple(
        Finding(_response_summary(one), route, len(found), one.curl(whole=True))
        for route, found, one in chosen
    )


def _size(exchange: Exchange) -> int:
    return len(exchange.request_body)


def _response_summary(exchange: Exchange) -> str:
    """What came back, in short: the status and the message."""
    if exchange.status == NO_STATUS:
        return "no answer"
    found = _MESSAGE.search(exchange.text)
    return f"{exchange.status} {(found[1] if found else exchange.text)[:SHOWN_CHARACTERS]}"


def _listed(findings: tuple[Finding, ...]) -> str:
    more = len(findings) - SHOWN_FINDINGS
    left_out = f"\n... and {more} more, in the evidence" if more > 0 else ""
    return "\n".join(map(str, findings[:SHOWN_FINDINGS])) + left_out


def _description(url: str, folder: Path) -> Path:
    with contextlib.closing(ApiClient(url)) as client:
        answered = client.get(DESCRIPTION)
    if answered.status != 200:
        raise NotSupported(
            f"the server has no description of its API ({answered.status} for {DESCRIPTION}); "
            "the program mistralrs has one: judge it with `--target real`"
        )
    file = folder / "openapi.json"
    file.write_text(json.dumps(with_model(answered.json(), "default")), encoding="utf-8")
    return file


def with_model(description: object, name: str) -> Any:
    """The description with this model in its examples: those of mistral.rs name one that is not there."""
    if isinstance(description, list):
        return [with_model(part, name) for part in description]
    if not isinstance(description, dict):
        return description
    made = {key: with_model(part, name) for key, part in description.items()}
    if isinstance(made.get("model"), str):
        made["model"] = name
    elif isinstance(made.get("model"), dict) and "example" in made["model"]:
        made["model"]["example"] = name
    return made
