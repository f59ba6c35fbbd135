"""Service levels: limits of percentiles by hardware profile (`thresholds.toml`, or a file of the user)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import SettingsError
from support.name_registry import unknown
from support.performance.load_figures import LATENCIES, PER_TOKEN, LoadFigures
from support.performance.percentiles import Percentile, Verdict, percentile
from support.settings import AUTO_PROFILE
from support.user_files import problem_of

THRESHOLDS = Path(__file__).with_name("thresholds.toml")
CPU, GPU = "cpu", "gpu"
_KEYS = {"percentile", "limit"}


@dataclass(frozen=True)
class Threshold:
    """`metric`: a name of `LATENCIES`. `level`: of the percentile, 0.9. `limit`: milliseconds."""

    metric: str
    level: float
    limit: float

    def judge(self, figures: LoadFigures) -> Judgement:
        """By the latencies of a load; without any, there is no evidence."""
        values = figures.latencies(self.metric)
        return Judgement(self, percentile(values, self.level) if values else None)

    def shortest_ms(self, tokens: int) -> float:
        """The time between the two events that decide it, at the limit: an answer has so many tokens."""
        return self.limit * (max(tokens - 1, 1) if self.metric == PER_TOKEN else 1)

    def __str__(self) -> str:
        return f"{self.metric} p{self.level * 100:g} <= {self.limit:g} ms"


@dataclass(frozen=True)
class Judgement:
    """A threshold, and the percentile that was found; None without a single latency."""

    threshold: Threshold
    found: Percentile | None

    @property
    def verdict(self) -> Verdict:
        if self.found is None:
            return Verdict.NOT_ENOUGH_EVIDENCE
        return self.found.verdict(self.threshold.limit)

    def __str__(self) -> str:
        found = self.found
        if found is None:
            return f"{self.threshold}: no request has succeeded"
        low, high = ("?" if bound is None else f"{bound:.3g}" for bound in (found.low, found.high))
        return f"{self.threshold}: {found.value:.3g} ms ({low} to {high}, {found.samples} requests)"


@dataclass(frozen=True)
class Profile:
    """`levels`: the thresholds of each service level by its name in the features."""

    name: str
    levels: Mapping[str, tuple[Threshold, ...]]

    def level(self, name: str) -> tuple[Threshold, ...]:
        """Raises `SettingsError` for a level that the profile lacks."""
        if name not in self.levels:
            raise SettingsError(f"{unknown('service level', name, self.levels)} (profile {self.name})")
        return self.levels[name]


def load_profile(name: str, file: Path | None = None) -> Profile:
    """A profile of the user's file, or of the suite's; `auto` by the hardware of this machine.

    Raises `SettingsError`, in one line, for a file or a profile that cannot be used.
    """
    path = file or THRESHOLDS
    try:
        profiles = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"the thresholds in {path} cannot be read: {problem_of(error)}") from None
    chosen = (GPU if has_gpu() else CPU) if name == AUTO_PROFILE else name
    if chosen not in profiles:
        raise SettingsError(f"{unknown('profile', chosen, profiles)} (thresholds in {path})")
    try:
        levels = {
            level: tuple(_threshold(metric, row) for metric, row in rows.items())
            for level, rows in profiles[chosen].items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(f"profile {chosen!r} of the thresholds in {path}: {error}") from None
    return Profile(chosen, levels)


def _threshold(metric: str, row: Mapping[str, Any]) -> Threshold:
    if metric not in LATENCIES:
        raise ValueError(unknown("metric", metric, LATENCIES))
    if set(row) != _KEYS:
        raise ValueError(f"{metric!r} has to have {' and '.join(sorted(_KEYS))}, not {', '.join(row)}")
    level, limit = float(row["percentile"]) / 100, float(row["limit"])
    if not 0 < level < 1 or not limit > 0:
        raise ValueError(f"{metric!r} needs a percentile between 0 and 100 and a limit above 0")
    return Threshold(metric, level, limit)


def has_gpu() -> bool:
    """Whether NVIDIA's driver finds a GPU."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    try:
        return bool(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return False
    finally:
        pynvml.nvmlShutdown()
