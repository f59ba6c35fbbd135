"""What a load is: the target, the requests, how they arrive, and how many are measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from support.errors import SettingsError
from support.performance.load.trace import TracedRequest

ApiName = Literal["openai", "ollama"]
Arrivals = Literal["constant", "poisson", "ramp"]


@dataclass(frozen=True)
class LoadPlan:
    """A closed loop of so many `users`, an open loop of so many requests per second (`rate`), or a `trace`.

    In a closed loop each user sends its next request when the last one has ended. In an open loop the times
    do not depend on the answers: a slow server gets no fewer requests (no coordinated omission). A trace is
    an open loop with the times and lengths of recorded requests.
    """

    url: str
    model: str
    api: ApiName = "openai"
    users: int = 0
    rate: float = 0.0
    # Of an open loop. A ramp rises from 0 to `rate` within `seconds`.
    arrivals: Arrivals = "constant"
    trace: Sequence[TracedRequest] = ()
    # The measured requests: at most so many, issued within so many seconds; 0 for no limit.
    requests: int = 0
    seconds: float = 0.0
    # The load before that, at least; in a closed loop each user also ends one request.
    warm_up_seconds: float = 0.0
    # A closed loop begins with its users spread over so long; 0: all at once.
    spread_seconds: float = 0.0
    # Of an open loop: the number of its first request in the schedule, from 0. That of a share of a load lies
    # between two: the shares together send what the whole would.
    first_request: float = 0.0
    # Of a closed loop: each user has conversations of so many requests, each with all that was said before.
    turns: int = 1
    # The share of the requests whose client closes the connection at the first token, from 0 to 1.
    cancelled_share: float = 0.0
    prompt_words: int = 16
    # Words before those, the same in each prompt of a run: what a prefix cache can know.
    prefix_words: int = 0
    # These words themselves; empty: made up, the first one a salt.
    prefix: str = ""
    # The system message of each request; empty for none.
    system: str = ""
    # The end of each prompt: with a scripted model, the keyword of its answer.
    question: str = ""
    output_tokens: int = 64
    # For one request, until its end.
    timeout: float = 60.0
    # Of Poisson's arrivals and of the prompts, but for their salt; None: another one in each run.
    seed: int | None = None
    # With the same salt and seed, another run sends the same prompts; None: new ones in each run.
    salt: str | None = None
    key: str | None = field(default=None, repr=False)
    # Of an https target: more certificates to trust, a file in PEM form.
    ca_file: str = ""
    # More fields of the request's body, such as `ignore_eos`.
    extra: Mapping[str, Any] = field(default_factory=dict)
    # Keep the text and the time of each event as well.
    keep_events: bool = False

    def __post_init__(self) -> None:
        """Raises `SettingsError` for a plan that cannot be."""
        if not self.url.startswith(("http://", "https://")):
            raise SettingsError(f"a load is sent to an http:// or https:// URL, not to {self.url!r}")
        if [bool(self.users), bool(self.rate), bool(self.trace)].count(True) != 1:
            raise SettingsError("a load has either users (closed loop), a rate (open loop) or a trace")
        if not (self.requests or self.seconds or self.trace):
            raise SettingsError("a load needs an end: a number of requests, or seconds")
        self._require_fitting_options()
        for name in (
            *("users", "rate", "requests", "seconds", "warm_up_seconds", "spread_seconds"),
            *("prefix_words", "first_request"),
        ):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} of a load is below zero: {getattr(self, name)}")
        for name in ("turns", "prompt_words", "output_tokens", "timeout"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} of a load has to be above zero, not {getattr(self, name)}")
        for name, kinds in (("api", get_args(ApiName)), ("arrivals", get_args(Arrivals))):
            if getattr(self, name) not in kinds:
                raise SettingsError(f"{name} of a load is {getattr(self, name)!r}; choose {', '.join(kinds)}")

    def __str__(self) -> str:
        """The load, without its target."""
        if self.trace:
            return f"a trace of {len(self.trace)} requests"
        if self.rate:
            return f"{self.rate:g} requests per second, {self.arrivals}"
        users = f"{self.users} user" + ("s" if self.users > 1 else "")
        return f"{users}, conversations of {self.turns} turns" if self.turns > 1 else users

    def _require_fitting_options(self) -> None:
        if self.trace and (self.requests or self.seconds or self.warm_up_seconds):
            raise SettingsError(
                "a trace is sent as a whole, without a number of requests, seconds or warm-up"
            )
        if self.arrivals == "ramp" and (not self.rate or not self.seconds or self.warm_up_seconds):
            raise SettingsError("a ramp needs a rate and the seconds in which it is reached, and no warm-up")
        if self.turns > 1 and not self.users:
            raise SettingsError("only the users of a closed loop have conversations of several turns")
        if not 0 <= self.cancelled_share < 1:
            raise SettingsError(
                f"the share of cancelled requests is from 0 to below 1, not {self.cancelled_share:g}"
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> LoadPlan:
        """Raises `SettingsError`, also for a field that there is not."""
        document = json.loads(text)
        unknown = document.keys() - {each.name for each in fields(LoadPlan)}
        if unknown:
            raise SettingsError(f"a load has no {sorted(unknown)[0]!r}")
        document["trace"] = tuple(TracedRequest(**each) for each in document.get("trace", ()))
        return LoadPlan(**document)
