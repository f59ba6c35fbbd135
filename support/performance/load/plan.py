"""What a load is: the target, the requests, how they arrive, and how many are measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from support.errors import SettingsError

ApiName = Literal["openai", "ollama"]
Arrivals = Literal["constant", "poisson"]


@dataclass(frozen=True)
class LoadPlan:
    """Either a closed loop of so many `users`, or an open loop of so many requests per second (`rate`).

    In a closed loop each user sends its next request when the last one has ended. In an open loop the times
    do not depend on the answers: a slow server gets no fewer requests (no coordinated omission).
    """

    url: str
    model: str
    api: ApiName = "openai"
    users: int = 0
    rate: float = 0.0
    arrivals: Arrivals = "constant"
    # The measured requests: at most so many, issued within so many seconds; 0 for no limit.
    requests: int = 0
    seconds: float = 0.0
    # The load before that, at least; in a closed loop each user also ends one request.
    warm_up_seconds: float = 0.0
    # A closed loop begins with its users spread over so long; 0: all at once.
    spread_seconds: float = 0.0
    prompt_words: int = 16
    # The end of each prompt: with a scripted model, the keyword of its answer.
    question: str = ""
    output_tokens: int = 64
    # For one request, until its end.
    timeout: float = 60.0
    # Of Poisson's arrivals and of the prompts, but for their salt; None: another one in each run.
    seed: int | None = None
    key: str | None = field(default=None, repr=False)
    # More fields of the request's body, such as `ignore_eos`.
    extra: Mapping[str, Any] = field(default_factory=dict)
    # Keep the text and the time of each event as well.
    keep_events: bool = False

    def __post_init__(self) -> None:
        """Raises `SettingsError` for a plan that cannot be."""
        if not self.url.startswith("http://"):
            # A stamp of the kernel is that of a packet; which bytes of the stream it had, only TLS knows.
            raise SettingsError(f"a load is measured over http:// only, not {self.url!r}")
        if bool(self.users) == bool(self.rate):
            raise SettingsError("a load has either users (closed loop) or a rate (open loop)")
        if not (self.requests or self.seconds):
            raise SettingsError("a load needs an end: a number of requests, or seconds")
        for name in ("users", "rate", "requests", "seconds", "warm_up_seconds", "spread_seconds"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} of a load is below zero: {getattr(self, name)}")
        for name in ("prompt_words", "output_tokens", "timeout"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} of a load has to be above zero, not {getattr(self, name)}")
        for name, kinds in (("api", get_args(ApiName)), ("arrivals", get_args(Arrivals))):
            if getattr(self, name) not in kinds:
                raise SettingsError(f"{name} of a load is {getattr(self, name)!r}; choose {', '.join(kinds)}")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> LoadPlan:
        """Raises `SettingsError`, also for a field that there is not."""
        document = json.loads(text)
        unknown = document.keys() - {each.name for each in fields(LoadPlan)}
        if unknown:
            raise SettingsError(f"a load has no {sorted(unknown)[0]!r}")
        return LoadPlan(**document)
