"""The objects of behave that the suite uses, as protocols: behave 1.3.3 has no types.

They list the attributes that are used here, also those that the runner adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any, Protocol

from support.results.outcome import Verdict


class BehaveStatus(Protocol):
    """A member of behave's enumeration `Status`."""

    @property
    def name(self) -> str: ...

    def has_failed(self) -> bool: ...


class BehaveCaptured(Protocol):
    """What was printed and logged meanwhile."""

    output: str


class HasLocation(Protocol):
    """What stands in a feature file: a feature, a rule, a scenario."""

    filename: str
    line: int


class BehaveStep(Protocol):
    """A step as it ran; `duration` in seconds."""

    keyword: str
    name: str
    status: BehaveStatus
    exception: BaseException | None
    error_message: str | None
    duration: float


class BehaveScenario(Protocol):
    """A scenario, or a row of an outline.

    The runner adds `verdict` and `out_of_scope`, `environment.py` the world.
    """

    keyword: str
    name: str
    tags: Sequence[str]
    effective_tags: Iterable[str]
    feature: BehaveFeature
    filename: str
    line: int
    status: BehaveStatus
    exception: BaseException | None
    error_message: str | None
    should_skip: bool
    skip_reason: str | None
    all_steps: Iterable[BehaveStep]
    captured: BehaveCaptured
    run: Callable[[Any], bool]
    verdict: Verdict
    out_of_scope: bool

    def should_run(self, config: BehaveConfig) -> bool: ...

    def should_run_with_tags(self, tag_expression: object) -> bool: ...

    def should_run_with_name_select(self, config: BehaveConfig) -> bool: ...

    def mark_skipped(self) -> None: ...

    def set_status(self, value: BehaveStatus) -> None: ...


class BehaveFeature(Protocol):
    """A feature. `walk_scenarios` includes the rows of outlines and the scenarios of Rules."""

    name: str
    filename: str
    line: int
    status: BehaveStatus
    captured: BehaveCaptured
    run: Callable[[Any], bool]

    def iter_rules(self) -> Iterable[Any]: ...

    def walk_scenarios(self, *, with_outlines: bool = False) -> Iterable[BehaveScenario]: ...


class BehaveFormatter(Protocol):
    """A formatter, as far as all of them are alike."""

    name: str

    def close(self) -> None: ...


class BehaveConfig(Protocol):
    """The configuration of a run. `outputs`: one `StreamOpener` for each formatter with an output file."""

    userdata: MutableMapping[str, Any]
    paths: list[str]
    tags: str | list[str] | None
    tag_expression: object
    name: list[str] | None
    format: list[str]
    default_format: str
    defaults: MutableMapping[str, Any]
    outputs: list[Any]
    reporters: list[Any]
    lang: str | None
    jobs: int | None
    stop: bool
    dry_run: bool
    junit: bool
    show_timings: bool

    def exclude(self, filename: str) -> bool: ...

    def make_command_args(self) -> Iterable[str]: ...


class BehaveContext(Protocol):
    """What hooks and steps get."""

    scenario: BehaveScenario
