"""Many concurrent users in one scenario."""

from __future__ import annotations

from support.chat.requests import keyword_answers
from support.chat.scenario_servers import ScenarioServers
from support.performance import concurrency, overload
from support.performance.concurrency import OwnAnswers
from support.performance.overload import OverloadResult
from support.results.must_check import MustCheck

# By their names in the features.
DIFFERENT_LENGTHS, ANSWER_OR_BUSY = "with prompts of different lengths", "the right answer or a busy error"
PROMPTS = ("about different topics", DIFFERENT_LENGTHS)
USER_OUTCOMES = ("the answer to their own question", ANSWER_OR_BUSY)


class PerformanceScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        self.answers: MustCheck[OwnAnswers] = servers.context.must_check("answers of concurrent users")
        self.overload: MustCheck[OverloadResult] = servers.context.must_check("answers of a full server")
        self._servers = servers

    def ask(self, users: int, server: str, prompts: str, *, stream: bool) -> None:
        """Many users at once, with the prompts of this name (`PROMPTS`)."""
        ask = self.ask_lengths_concurrently if prompts == DIFFERENT_LENGTHS else self.ask_concurrently
        ask(users, server, stream=stream)

    def require(self, outcome: str) -> None:
        """Every user got `the answer to their own question`, or `the right answer or a busy error`."""
        if outcome == ANSWER_OR_BUSY:
            self.overload.get().require_served_or_busy()
        else:
            self.answers.get().require_own_answers()

    def ask_concurrently(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once; they may be too many for the server that a Given step has started."""
        servers, timeout = self._servers, self._servers.answer_timeout
        keywords = keyword_answers(servers.suite.script)
        if servers.has_dedicated:
            endpoint = servers.dedicated_endpoint(server)
            self.overload.set(overload.overload(endpoint, keywords, users, stream=stream, timeout=timeout))
            return
        servers.endpoints.require_scripted(server)
        endpoint = servers.endpoints.endpoint(server)
        self.answers.set(
            concurrency.ask_concurrently(endpoint, keywords, users, stream=stream, timeout=timeout)
        )

    def ask_lengths_concurrently(self, users: int, server: str, *, stream: bool) -> None:
        """Many users at once, each with a prompt of another length; any model."""
        endpoint = self._servers.endpoints.endpoint(server)
        self.answers.set(
            concurrency.ask_lengths_concurrently(
                endpoint, users, stream=stream, timeout=self._servers.answer_timeout
            )
        )
