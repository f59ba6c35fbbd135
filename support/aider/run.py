"""One run of Aider, and what has to be so of it.

Aider exits with 0 after nearly every failure (docs/aider.md): a run is judged by what it printed and by the
requests that the proxy before the server has recorded; the scenario judges the files and the commits.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.aider.traffic import COMMENT, EDIT, THINKING, AiderRequest
from support.errors import CheckFailed, NotSupported
from support.programs.child_environment import BLACKHOLE_PROXY
from support.results.safe_text import counted

# What Aider prints when a request or an edit has failed, though it exits with 0.
FAILURES = re.compile(
    r"has hit a token limit|litellm\.\w*Error|Retrying in|Empty response|did not conform|"
    r'Traceback \(most recent call last\):\n +File "[^"]*site-packages|'
    r"failed to match|Only \d+ reflections|Failed to generate commit message"
)
# In the error of a server that rejects a prompt for its length.
TOO_LONG = re.compile(r"(?i)sequence length|context (length|window|size)|too long")
# Between the end of a response here, and at the client.
CLOCK_SECONDS = 0.05
LOCALHOST = "localhost"
# What is meant for another machine goes to the port of a proxy that there is not.
_PROXY = "{0.hostname} {0.port}".format(urlsplit(BLACKHOLE_PROXY))


@dataclass(frozen=True)
class AiderRun:
    """One run of the command, or one turn of a session, which has no exit code.

    `connections`: the addresses that it and its processes connected to, looked up or listened on. `command`:
    as it is typed in a shell, or the line of a session. `server`: the model and its address. `started`: in
    seconds of the monotonic clock. `stopped`: why the suite has ended it, or empty.
    """

    output: str
    exit_code: int | None
    requests: tuple[AiderRequest, ...]
    connections: tuple[str, ...]
    seconds: float
    command: str
    server: str
    started: float = 0.0
    stopped: str = ""

    def require_local(self) -> None:
        """No connection to another machine was tried, and nothing listened for one."""
        require_local(self.connections)

    def require_end(self, code: int | None) -> None:
        """It ended with this exit code; None: it had to be ended by the suite."""
        if bool(self.stopped) is not (code is None):
            how = self.stopped or f"it ended by itself after {self.seconds:.1f} s, exit code {self.exit_code}"
            raise CheckFailed(f"{how}; it printed:\n{self.output[-3000:]}")
        if code is not None and self.exit_code != code:
            raise CheckFailed(f"exit code {self.exit_code} instead of {code}:\n{self.output[-3000:]}")

    def require_success(self) -> None:
        """It exited with 0 and printed no failure."""
        failure = FAILURES.search(self.output)
        if self.exit_code or failure is not None:
            found = f"{failure[0]!r} in its output" if failure else f"exit code {self.exit_code}"
            raise CheckFailed(
                f"the run with {self.server} failed ({found}); it printed:\n{self.output[-3000:]}"
            )

    def require_output(self, texts: Sequence[str], *, expected: bool = True) -> None:
        """Aider printed these texts, or none of them."""
        wrong = [text for text in texts if (text in self.output) is not expected]
        if wrong:
            state = "did not print" if expected else "printed"
            raise CheckFailed(f"it {state} {', '.join(map(repr, wrong))}; it printed:\n{self.output[-2000:]}")

    def require_received(self, text: str, *, expected: bool) -> None:
        """The last request contains this text, or does not."""
        if not self.requests:
            raise CheckFailed("no request was sent")
        sent = self.requests[-1].text
        if (text in sent) is not expected:
            state = "contains no" if expected else "contains"
            raise CheckFailed(f"the last request {state} {text!r}:\n{sent[-2000:]}")

    def require_fields(self, kind: str, fields: Mapping[str, object]) -> None:
        """Each request of a kind in the last run has these fields, and there is one."""
        requests = self._requests(kind)
        wrong = [
            f"{name} = {request.document.get(name)!r} instead of {value!r}"
            for request in requests
            for name, value in fields.items()
            if request.document.get(name) != value
        ]
        if wrong or not requests:
            raise CheckFailed("; ".join(wrong) or f"no request for a {kind} was sent")

    def require_whole_prompts(self, count: Callable[[Sequence[Mapping[str, str]]], int]) -> None:
        """The server read each prompt whole, or rejected it for its length. `count`: tokens of messages."""
        requests = list(self.requests)
        if requests and not requests[-1].exchange.body:
            # Aider was ended before the response.
            requests.pop()
        if not requests:
            raise CheckFailed("no request was answered")
        for request in requests:
            expected, found = count(request.document["messages"]), request.prompt_tokens
            if found != expected and (found or not TOO_LONG.search(request.exchange.text)):
                raise CheckFailed(
                    f"the prompt has {expected} tokens, the server counted {found}; its response:\n"
                    f"{request.exchange.describe()}"
                )

    def _requests(self, kind: str) -> list[AiderRequest]:
        return [request for request in self.requests if request.kind == kind]


def require_traffic(runs: Sequence[AiderRun], number: int, kind: str) -> None:
    """So many requests of a kind were sent, or so many comments or more came before an answer.

    Or so many parts of an answer, or more, had thinking in a field of its own.
    """
    if kind == COMMENT:
        require_comments(runs, number)
    elif kind == THINKING:
        found = sum(request.thinking_pieces for run in runs for request in run.requests)
        if found < number:
            raise CheckFailed(f"expected {number} pieces of thinking or more, found {found}")
    else:
        require_requests(runs, number, kind)
        for run in runs:
            require_waits(run.requests)


def require_comments(runs: Iterable[AiderRun], number: int) -> None:
    """So many comments, or more, came before the one answer that Aider has waited for.

    Raises `NotSupported` when the answer came before: on a server of that speed Aider does not have to wait.
    """
    requests = [request for run in runs for request in run.requests if request.kind == EDIT]
    require_requests(runs, 1, EDIT)
    found = requests[0].comments_before_answer
    if found < number:
        raise NotSupported(
            f"needs a prefill of {counted(number, 'comment')}; this server reads the prompt faster, and has"
            f" sent {found}: Aider did not have to wait"
        )


def require_waits(requests: Sequence[AiderRequest]) -> None:
    """After a rejection with `Retry-After` (RFC 9110, 10.2.3) the next request waits as long."""
    for rejected, repeated in itertools.pairwise(request.exchange for request in requests):
        if wait := rejected.headers.get("retry-after"):
            found = repeated.sent_at - rejected.sent_at - rejected.seconds
            if found < float(wait) - CLOCK_SECONDS:
                raise CheckFailed(
                    f"the request was repeated {found:.2f} s after status {rejected.status}, before the"
                    f" {wait} s of its Retry-After"
                )


def require_requests(runs: Iterable[AiderRun], number: int, kind: str) -> None:
    """So many requests of a kind were sent, in all turns of a session together."""
    kinds = [request.kind for run in runs for request in run.requests]
    if kinds.count(kind) != number:
        raise CheckFailed(
            f"expected {counted(number, 'request')} of the kind {kind!r}, found {kinds.count(kind)};"
            f" all requests in their order: {', '.join(kinds) or 'none'}"
        )


def require_local(connections: Iterable[str]) -> None:
    """Each address (`host port`, and who uses it) is of this machine, and not the proxies' closed port."""
    others = sorted({line for line in connections if not _is_local(line) or _is_proxy(line)})
    if others:
        found = ", ".join(
            f"{line} (the proxy for other machines)" if _is_proxy(line) else line for line in others
        )
        raise CheckFailed(f"it connects to other machines, or listens for them: {found}")


def _is_proxy(line: str) -> bool:
    return " ".join(line.split(" ")[:2]) == _PROXY


def _is_local(line: str) -> bool:
    host = line.split(" ")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == LOCALHOST
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
