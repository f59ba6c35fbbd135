"""The mutation score: of each recording all mutations, or a sample of them, and what became of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from support.fault_injection.blind_mutations import Kind, Mutation, mutations_of
from support.fault_injection.blind_recordings import Recording
from support.fault_injection.blind_replay import Judgement, Verdict, judge
from support.http.exchange import Exchange

SEED = 20261130


@dataclass(frozen=True)
class MutationClass:
    """The same change of the same field in any response of an API, streamed or not."""

    api: str
    kind: Kind
    path: str
    streamed: bool

    def __str__(self) -> str:
        return f"{self.api}, {'stream' if self.streamed else 'response'}: {self.path or 'all'}: {self.kind}"


@dataclass(frozen=True)
class Result:
    """One mutation of a response of a check. `place`: where; `layer`: in which it was detected."""

    check_id: str
    kind: Kind
    path: str
    place: str
    verdict: Verdict
    streamed: bool = False
    layer: str = ""
    text: str = ""

    @property
    def mutation_class(self) -> MutationClass:
        return MutationClass(self.check_id.partition(".")[0], self.kind, self.path, self.streamed)


@dataclass(frozen=True)
class CheckResults:
    """All mutations of one check. `possible`: how many there are, of which `results` may be a sample.

    `unusable`: why the recording cannot be used: without any change, the check does not pass.
    """

    check_id: str
    possible: int = 0
    results: tuple[Result, ...] = ()
    unusable: str = ""


def judge_recording(recording: Recording, foreign_id: str, each: int) -> CheckResults:
    """Judge so many mutations of each kind and field of a recording (0: all)."""
    unchanged = judge(recording)
    if unchanged.verdict != "survived":
        text = unchanged.text.splitlines()[0] if unchanged.text else ""
        return CheckResults(recording.check_id, unusable=f"{unchanged.verdict}: {text}")
    own = recording.exchanges[: recording.own]
    mutations = list(mutations_of(own, foreign_id, partial(_is_of_api, recording.api)))
    chosen = sample(mutations, each, recording.check_id)
    results = tuple(_result(recording, mutation, judge(recording, mutation)) for mutation in chosen)
    return CheckResults(recording.check_id, len(mutations), results)


def sample(mutations: Sequence[Mutation], each: int, check_id: str) -> list[Mutation]:
    """So many of each kind and field, in streams and elsewhere; the same ones each time. 0: all."""
    if not each:
        return list(mutations)
    chance = random.Random(f"{SEED} {check_id}")
    taken: Counter[tuple[Kind, str, bool]] = Counter()
    chosen = []
    for at in chance.sample(range(len(mutations)), len(mutations)):
        one = mutations[at]
        taken[one.kind, one.path, one.event > 0] += 1
        if taken[one.kind, one.path, one.event > 0] <= each:
            chosen.append(at)
    return [mutations[at] for at in sorted(chosen)]


def _is_of_api(api: str, exchange: Exchange) -> bool:
    """Checks of metrics send requests of other APIs, to have something counted."""
    return api != "metrics" or exchange.content_type == "text/plain"


def _result(recording: Recording, mutation: Mutation, judgement: Judgement) -> Result:
    return Result(
        recording.check_id,
        mutation.kind,
        mutation.path,
        mutation.place,
        judgement.verdict,
        mutation.event > 0,
        judgement.layer,
        judgement.text.splitlines()[0][:300] if judgement.text else "",
    )
