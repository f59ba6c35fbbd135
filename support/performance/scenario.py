"""Many concurrent users in one scenario."""

from __future__ import annotations

from support.chat.scenario_servers import ScenarioServers
from support.performance.concurrency import (
    ConcurrentAnswers,
    PromptLengthProbe,
    ask_concurrently,
    ask_lengths_concurrently,
    keyword_answers,
)
from support.results.must_check import MustCheck

# By their names in the features.
DIFFERENT_LENGTHS, ANSWER_OR_BUSY = "with prompts of different lengths", "the right answer or a busy error"
PROMPTS = ("about different topics", DIFFERENT_LENGTHS)
USER_OUTCOMES = ("the answer to their own question", ANSWER_OR_BUSY)


class PerformanceScenario:
    """Fresh for each scenario."""

    def __init__(self, servers: ScenarioServers) -> None:
        context = servers.context
        self.answers: MustCheck[ConcurrentAnswers] = context.must_check("answers of concurrent users")
        self.lengths: MustCheck[PromptLengthProbe] = context.must_check("answers to different lengths")
        self._servers = servers

    def ask(self, users: int, server: str, prompts: str, *, stream: bool) -> None:
        """Many users at once, with the prompts of this name (`PROMPTS`); different lengths: any model.

        They may be too many for the server that a Given step has started.
        """
        servers, timeout = self._servers, self._servers.answer_timeout
        if prompts == DIFFERENT_LENGTHS:
            endpoint = servers.endpoints.endpoint(server)
            self.lengths.set(ask_lengths_concurrently(endpoint, users, stream=stream, timeout=timeout))
            return
        if servers.has_dedicated:
            endpoint = servers.dedicated_endpoint(server)
        else:
            servers.endpoints.require_scripted(server)
            endpoint = servers.endpoints.endpoint(server)
        keywords = keyword_answers(servers.suite.script)
        self.answers.set(ask_concurrently(endpoint, keywords, users, stream=stream, timeout=timeout))

    def require(self, outcome: str) -> None:
        """Every user got `the answer to their own question`, or `the right answer or a busy error`."""
        if self.lengths.available:
            self.lengths.get().require_own_answers()
        elif outcome == ANSWER_OR_BUSY:
            self.answers.get().require_served_or_busy()
        else:
            self.answers.get().require_own_answers()
