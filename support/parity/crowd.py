"""Many users at once, each with a mark of their own: nobody may get another's answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from support.parity.routes import Route, Said, Talk

T = TypeVar("T")
R = TypeVar("R")
SHOWN = 3
# Less in common could be chance: a full stop, "the".
LEAST_COMMON = 8


@dataclass(frozen=True)
class Asked:
    """One user's mark, what the mark has to be answered with, and what came: an answer or what went wrong."""

    mark: str
    expected: str
    got: Said | AssertionError

    @property
    def right(self) -> bool:
        return isinstance(self.got, Said) and self.got.text == self.expected


@dataclass(frozen=True)
class Crowd:
    """What all users got. `answers`: by mark, what each mark is answered with."""

    users: tuple[Asked, ...]
    answers: Mapping[str, str]

    def require_own_answers(self) -> None:
        """Raises AssertionError with the number of wrong answers, some of them, and whose text they hold."""
        wrong = [user for user in self.users if not user.right]
        if wrong:
            told = "\n".join(self._told(user) for user in wrong[:SHOWN])
            raise AssertionError(f"{len(wrong)} of {len(self.users)} users got a wrong answer:\n{told}")

    def require_served(self) -> None:
        """Everybody got an answer that ended by itself, whatever it says."""
        for user in self.users:
            if isinstance(user.got, AssertionError):
                raise user.got
            assert user.got.text and user.got.end == "stop", (
                f"the user of {user.mark!r} got {user.got.text!r}, which ended by {user.got.end!r}"
            )

    def _told(self, user: Asked) -> str:
        if isinstance(user.got, AssertionError):
            return f"  {user.mark}: {user.got}"
        strangers = sorted({mark for mark in self.answers if self._borrowed(user, mark)})
        whose = f" (the end of: {', '.join(strangers)})" if strangers else ""
        return f"  {user.mark}: got {user.got.text!r}{whose}, expected {user.expected!r}"

    def _borrowed(self, user: Asked, mark: str) -> bool:
        end = self.answers[mark][-LEAST_COMMON:]
        assert isinstance(user.got, Said)
        return mark != user.mark and len(end) == LEAST_COMMON and user.got.text.endswith(end)


def at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The same work for every item, all begun at the same moment, in threads of their own."""
    gate = threading.Barrier(len(items))

    def begin(item: T) -> R:
        gate.wait()
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(begin, items))


def ask_at_once(
    route: Route, answers: Mapping[str, str], users: int, *, stream: bool, within: float
) -> Crowd:
    """Let so many users ask at the same moment, each about one of the marks in turn."""
    marks = list(answers)
    asked = [marks[number % len(marks)] for number in range(users)]

    def ask(mark: str) -> Asked:
        talk = Talk(({"role": "user", "content": f"Tell me about the {mark}"},))
        try:
            return Asked(mark, answers[mark], route.ask(talk, stream, within=within))
        except AssertionError as error:
            return Asked(mark, answers[mark], error)

    return Crowd(tuple(at_once(ask, asked)), answers)
