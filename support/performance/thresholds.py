"""Service levels: limits by hardware profile (`thresholds.toml`, or a file of the user)."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.errors import NotSupported, SettingsError
from support.name_registry import unknown
from support.performance.limits import OF_REQUESTS, Bounds, Limit, MeanLimit, RatioLimit, Threshold
from support.performance.measured_load import FIGURES
from support.settings import AUTO_PROFILE
from support.user_files import problem_of

THRESHOLDS = Path(__file__).with_name("thresholds.toml")
CPU, GPU = "cpu", "gpu"
# Of the suite's file: levels of each profile that has none of its own with the same name, in any file.
EVERY = "every profile"
_LEAST, _MOST, _EACH_MIB = "at_least", "at_most", "for_each_mib"


@dataclass(frozen=True)
class Profile:
    """`levels`: the limits of each service level by its name in the features."""

    name: str
    levels: Mapping[str, tuple[Limit, ...]]

    def level(self, name: str) -> tuple[Limit, ...]:
        """Raises `NotSupported` for a level that the profile lacks, `SettingsError` for an unknown one."""
        if name in self.levels:
            return self.levels[name]
        if name in _known_levels():
            raise NotSupported(f"the profile {self.name} has no service level {name!r}: nothing is judged")
        raise SettingsError(f"{unknown('service level', name, self.levels)} (profile {self.name})")


def load_profile(name: str, file: Path | None = None) -> Profile:
    """A profile of the user's file, or of the suite's; `auto` by the hardware of this machine.

    Raises `SettingsError`, in one line, for a file or a profile that cannot be used.
    """
    path = file or THRESHOLDS
    profiles = _read(path)
    chosen = (GPU if has_gpu() else CPU) if name == AUTO_PROFILE else name
    if chosen not in profiles.keys() - {EVERY}:
        raise SettingsError(f"{unknown('profile', chosen, profiles.keys() - {EVERY})} (thresholds in {path})")
    suite = _read(THRESHOLDS)
    shared, own = _levels(suite, EVERY, THRESHOLDS), _levels(profiles, chosen, path)
    if file is not None:
        levels = [_levels(suite, profile, THRESHOLDS) for profile in suite]
        _require_known_names(own, levels, f"profile {chosen!r} of the thresholds in {path}")
    return Profile(chosen, shared | own)


def _require_known_names(
    own: Mapping[str, tuple[Limit, ...]], suite: Sequence[Mapping[str, tuple[Limit, ...]]], where: str
) -> None:
    """Levels of the suite's profiles, and loads of the suite's ratios of that level, where it has some."""
    known = frozenset(level for levels in suite for level in levels)
    for level, limits in own.items():
        # No scenario would be judged by it.
        if level not in known:
            raise SettingsError(f"{where}: {unknown('service level', level, known)}")
        loads = {name for levels in suite for name in _compared_loads(levels.get(level, ()))}
        if loads and (wrong := _compared_loads(limits) - loads):
            raise SettingsError(f"{where}, service level {level!r}: {unknown('load', min(wrong), loads)}")


def _compared_loads(limits: Sequence[Limit]) -> set[str]:
    return {name for limit in limits if isinstance(limit, RatioLimit) for name in (limit.of, limit.by)}


def _known_levels() -> frozenset[str]:
    """Those of the suite's profiles: the features have no others."""
    return frozenset(level for levels in _read(THRESHOLDS).values() for level in levels)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"the thresholds in {path} cannot be read: {problem_of(error)}") from None


def _levels(profiles: Mapping[str, Any], chosen: str, path: Path) -> dict[str, tuple[Limit, ...]]:
    try:
        return {
            level: tuple(limit for metric, rows in metrics.items() for limit in _limits(metric, rows))
            for level, metrics in profiles[chosen].items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(f"profile {chosen!r} of the thresholds in {path}: {error}") from None


def _limits(metric: str, rows: Any) -> Iterator[Limit]:
    """Of one metric: a table, or an array of tables."""
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, Mapping):
            raise ValueError(f"{metric!r} has to have limits, not {row!r}")
        known = [(kind, keys) for keys, kind in _KINDS.items() if keys.required <= set(row)]
        kind, keys = known[0] if known else (None, None)
        if kind is None or keys is None or set(row) - keys.all or not keys.is_bounded(row):
            forms = "; ".join(map(str, _KINDS))
            raise ValueError(f"{metric!r} has {', '.join(row) or 'nothing'}; a limit has one of: {forms}")
        yield kind(metric, row)


@dataclass(frozen=True)
class _Keys:
    required: frozenset[str]
    # At least one of them.
    bounds: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.required | self.bounds | self.optional

    def is_bounded(self, row: Mapping[str, Any]) -> bool:
        return not self.bounds or bool(self.bounds & set(row))

    def __str__(self) -> str:
        parts = [*sorted(self.required), " or ".join(sorted(self.bounds))]
        return " and ".join(part for part in parts if part)


def _threshold(metric: str, row: Mapping[str, Any]) -> Threshold:
    _require_known(metric, OF_REQUESTS)
    level, limit = _number(metric, row, "percentile") / 100, _number(metric, row, "limit")
    if not 0 < level < 1 or not limit > 0:
        raise ValueError(f"{metric!r} needs a percentile between 0 and 100 and a limit above 0")
    return Threshold(metric, level, limit)


def _ratio(metric: str, row: Mapping[str, Any]) -> RatioLimit:
    _require_known(metric, FIGURES)
    loads = row["of"], row["by"]
    if not all(isinstance(load, str) and load for load in loads) or loads[0] == loads[1]:
        raise ValueError(f"{metric!r} needs the names of two loads, not {loads[0]!r} and {loads[1]!r}")
    return RatioLimit(metric, *loads, _bounds(metric, row))


def _mean(metric: str, row: Mapping[str, Any]) -> MeanLimit:
    _require_known(metric, FIGURES)
    each = _number(metric, row, _EACH_MIB) if _EACH_MIB in row else 0.0
    if each < 0 or (each and _MOST not in row):
        raise ValueError(f"{metric!r} needs {_MOST} with a {_EACH_MIB} that is not below 0")
    return MeanLimit(metric, _bounds(metric, row), each)


_BOUNDS = frozenset({_LEAST, _MOST})
# The first one whose keys are there.
_KINDS: Mapping[_Keys, Callable[[str, Mapping[str, Any]], Limit]] = {
    _Keys(frozenset({"percentile", "limit"})): _threshold,
    _Keys(frozenset({"of", "by"}), _BOUNDS): _ratio,
    _Keys(frozenset(), _BOUNDS, frozenset({_EACH_MIB})): _mean,
}


def _bounds(metric: str, row: Mapping[str, Any]) -> Bounds:
    least, most = (_number(metric, row, key) if key in row else None for key in (_LEAST, _MOST))
    if least is not None and most is not None and least > most:
        raise ValueError(f"{metric!r} cannot be at least {least:g} and at most {most:g}")
    return Bounds(least, most)


def _number(metric: str, row: Mapping[str, Any], key: str) -> float:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} of {metric!r} has to be a number, not {value!r}")
    return float(value)


def _require_known(metric: str, known: Mapping[str, object]) -> None:
    if metric not in known:
        raise ValueError(unknown("metric", metric, known))


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
