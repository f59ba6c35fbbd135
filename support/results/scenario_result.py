"""What the When step of a scenario has produced, and the checks that its Then steps apply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn


class ScenarioResult:
    """Answers or output of one kind. `kind` names it.

    A check raises AssertionError when it fails, and LookupError when it does not apply to this kind.
    """

    kind = "result"

    @property
    def available(self) -> bool:
        """Whether there is such a result in this scenario."""
        return False

    def require_scripted(self) -> None:
        """Every answer is exactly the scripted one."""
        self._not_applicable("has no scripted answer")

    def require_contains(self, text: str) -> None:
        """The answer or the output contains this text."""
        self._not_applicable("has no text")

    def require_contains_all(self, texts: Iterable[str]) -> None:
        """The answer or the output contains all these texts."""
        for text in texts:
            self.require_contains(text)

    def require_complete(self) -> None:
        """The answer has text, and ended as the protocol specifies."""
        self._not_applicable("has no answer that could be complete")

    def require_equal(self) -> None:
        """All answers are one text."""
        self._not_applicable("cannot be compared")

    def require_equal_counts(self) -> None:
        """All answers have the same token counts."""
        self._not_applicable("has no token counts to compare")

    def require_finish_reason(self, reason: str) -> None:
        """Every answer has this finish reason."""
        self._not_applicable("has no finish reason")

    def require_chunks(self, least: int) -> None:
        """The answer arrived in at least so many chunks."""
        self._not_applicable("has no chunks")

    def require_token_counts(self) -> None:
        """The reported token counts are those of the model's tokenizer."""
        self._not_applicable("has no token counts")

    def prompt_tokens(self, asked: str) -> tuple[int, str]:
        """Prompt tokens of one of the requests (`the first question`, `mistral.rs`), and its description."""
        self._not_applicable("has no prompt tokens to compare")

    def require_timely(self, limit: float) -> None:
        """Every answer was complete within so many seconds (before scaling)."""
        self._not_applicable("was not timed")

    def require_exit(self, exit_code: int, limit: float) -> None:
        """The program exited with this code, within so many seconds."""
        self._not_applicable("is not that of a program that exits")

    def _not_applicable(self, problem: str) -> NoReturn:
        raise LookupError(f"the {self.kind} of this scenario {problem}")


# What may have to be equal, by its name in the features.
EQUAL_PARTS: Mapping[str, Callable[[ScenarioResult], None]] = {
    "answers": lambda result: result.require_equal(),
    "token counts": lambda result: result.require_equal_counts(),
}
