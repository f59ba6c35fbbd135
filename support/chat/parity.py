"""A conversation over every route of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from support.chat.endpoint import Route, Said, Talk, agree
from support.results.safe_text import difference

FORMS = (False, True)


@dataclass(frozen=True)
class Answers:
    """What the routes said, each as a whole answer and as a stream."""

    talk: Talk
    whole: tuple[Said, ...]
    streamed: tuple[Said, ...]

    def require_same_text(self) -> None:
        """Every route said the same and ended for the same reason."""
        agree(self.whole, lambda said: said.text, "the texts")
        agree(self.whole, lambda said: said.end, "the reasons to end")

    def require_text(self, expected: str) -> None:
        """They said this; raises AssertionError that names the route."""
        for said in self.whole:
            assert said.text == expected, (
                f"{difference(f'the answer of {said.route}', expected, said.text)}\n"
                f"{said.exchange.describe()}"
            )

    def require_end(self, reason: str) -> None:
        """They ended for this reason."""
        for said in (*self.whole, *self.streamed):
            assert said.end == reason, (
                f"{said.route} ended by {said.end!r}, not {reason!r}\n{said.exchange.describe()}"
            )

    def require_same_counts(self) -> None:
        """Every route counted the same tokens, above zero."""
        agree(self.whole, lambda said: said.counts, "the token counts (prompt, answer)")
        assert all(self.whole[0].counts), f"nothing was counted: {self.whole[0]}"

    def require_same_streams(self) -> None:
        """Each stream said, and counted, what its whole answer did."""
        for whole, streamed in zip(self.whole, self.streamed, strict=True):
            agree(
                (whole, streamed),
                lambda said: (said.text, said.end, said.counts),
                f"stream and whole answer of {whole.route}",
            )


def ask_all(routes: Sequence[Route], talk: Talk, within: float) -> Answers:
    """Ask one after the other; raises AssertionError when one gives no answer."""
    whole, streamed = (tuple(route.ask(talk, form, within=within) for route in routes) for form in FORMS)
    return Answers(talk, whole, streamed)
