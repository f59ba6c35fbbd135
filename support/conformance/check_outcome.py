"""What a check found on one server: passed, failed and where, or a missing route."""

from __future__ import annotations

from dataclasses import dataclass

from support.conformance.case_table import Check
from support.http.exchange import Exchange
from support.servers.endpoint import Endpoint


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong. `layer`: transport, status, headers, framing, JSON, a contract, ...

    `unanswered`: the server sent no response.
    """

    layer: str
    actual: str
    unanswered: bool = False

    def __str__(self) -> str:
        return f"{self.layer}: {self.actual}" if self.layer else self.actual


@dataclass(frozen=True)
class Outcome:
    """How a check ended on a server.

    `missing_route`: the response that shows that the server has no such route; nothing else is known then.
    `unsupported`: why the server is known not to support the check. `exchange`: the request that failed, or
    the check's own.
    """

    check: Check
    server: Endpoint
    failures: tuple[Failure, ...] = ()
    missing_route: str | None = None
    unsupported: str = ""
    exchange: Exchange | None = None

    @property
    def passed(self) -> bool:
        return not self.failures and self.missing_route is None and not self.unsupported

    @property
    def unanswered(self) -> bool:
        """Whether the server left the check, or the health check after it, without a response."""
        return any(failure.unanswered for failure in self.failures)

    @property
    def reason(self) -> str:
        """What is wrong, one line for each failure; empty when it passed."""
        if self.missing_route is not None:
            return f"{self.server.label} has no such route ({self.missing_route})"
        return self.unsupported or "\n".join(map(str, self.failures))
