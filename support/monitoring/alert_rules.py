"""The rules file for Prometheus: alerts and recorded series of `alert_rules.toml`, with their parameters.

Source: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from support.errors import SettingsError
from support.name_registry import unknown

TABLE = Path(__file__).with_name("alert_rules.toml")
Parameters = Mapping[str, str | float]
Rule = Mapping[str, object]
_PARAMETER = re.compile(r"@(\w+)@")
_DURATION = re.compile(r"(\d+)([smhd])")
# What would end a string of PromQL, or begin a template.
_NOT_IN_TEXTS = re.compile(r'["\\{}\n]')
_WINDOW = re.compile(rf"(?<=\[)({_DURATION.pattern})(?=\])|(?<=offset )({_DURATION.pattern})")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@cache
def _table() -> Mapping[str, Rule]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def default_parameters() -> Parameters:
    """Names of labels and thresholds, in the units that their names end with."""
    return {
        name: value for name, value in _table()["parameters"].items() if isinstance(value, str | int | float)
    }


def alert_names() -> list[str]:
    return [name for name, row in _table().items() if "severity" in row]


def rule(name: str) -> Rule:
    """The row of an alert."""
    return _table()[name]


def rules_file(parameters: Parameters | None = None, *, speed: float = 1) -> str:
    """The whole file as YAML, with other parameters than the default ones.

    `speed`: all windows and `for` are so many times shorter, for tests; names of recorded series stay.
    """
    values = {**default_parameters(), **(parameters or {})}
    groups: dict[str, list[str]] = {}
    for name, row in _table().items():
        if name != "parameters":
            groups.setdefault(str(row["group"]), []).extend(_lines(name, row, values, speed))
    lines = [f"  - name: mistralrs.{group}\n    rules:\n{''.join(rules)}" for group, rules in groups.items()]
    return f"groups:\n{''.join(lines)}"


def parse_parameters(
    texts: Sequence[str], defaults: Parameters | None = None, of: str = "the alerts"
) -> Parameters:
    """From `error_ratio=0.1`; raises `SettingsError` for another name, or for a value that no rule can have.

    With an objective that is no bound of a bucket an alert would never fire.
    """
    found: dict[str, str | float] = {}
    known = defaults or default_parameters()
    for text in texts:
        name, _, value = text.partition("=")
        default = known.get(name)
        if default is None:
            raise SettingsError(unknown(f"parameter of {of}", name, known))
        if isinstance(default, str):
            if not value.strip() or _NOT_IN_TEXTS.search(value):
                raise SettingsError(
                    f'parameter {name} = {value!r} of {of}: give a text without ", \\, braces and line feeds'
                )
            found[name] = value
            continue
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise SettingsError(f"parameter {name} = {value!r} of {of}: give a number above 0")
        bounds = _table()["parameters"].get(f"{name}_bounds")
        if isinstance(bounds, list) and number not in bounds:
            known_bounds = ", ".join(f"{bound:g}" for bound in bounds)
            raise SettingsError(
                f"parameter {name} = {value!r} of {of}: give a bound of a bucket: {known_bounds}"
            )
        found[name] = number
    return found


def seconds(duration: object) -> float:
    """Of a duration in Prometheus' form with one unit, such as `5m`."""
    found = _DURATION.fullmatch(str(duration))
    assert found is not None
    return int(found[1]) * _UNITS[found[2]]


def _shorter(duration: str, speed: float) -> str:
    return duration if speed == 1 else f"{max(round(seconds(duration) / speed * 1000), 1)}ms"


def _lines(name: str, row: Rule, values: Parameters, speed: float) -> Iterator[str]:
    """The YAML of a rule; JSON's strings are YAML's."""
    windows = row.get("windows", [""])
    assert isinstance(windows, list)
    for window in windows:
        texts = {key: _filled(str(text), {**values, "window": window}) for key, text in row.items()}
        texts["expr"] = _WINDOW.sub(lambda found: _shorter(found[0], speed), texts["expr"])
        if "record" in row:
            yield f"      - record: {texts['record']}\n        expr: {texts['expr']}\n"
            continue
        wait = "0m" if row["for"] == "0m" else _shorter(str(row["for"]), speed)
        runbook = json.dumps(f"{values['runbook']}#{name.lower()}")
        yield (
            f"      - alert: {name}\n        expr: {texts['expr']}\n        for: {wait}\n"
            f"        labels:\n          severity: {row['severity']}\n        annotations:\n"
            f"          summary: {texts['summary']}\n          description: {texts['description']}\n"
            f"          runbook_url: {runbook}\n"
        )


def _filled(text: str, values: Parameters) -> str:
    """In quotes, on one line."""
    return json.dumps(filled(text, values), ensure_ascii=False)


def filled(text: str, values: Parameters) -> str:
    """With the values of its parameters, on one line."""
    return " ".join(_PARAMETER.sub(lambda found: _shown(values[found[1]]), text).split())


def _shown(value: str | float) -> str:
    """As the metrics of a server write it: `2.5`, `5`."""
    return value if isinstance(value, str) else f"{value:.15g}"
