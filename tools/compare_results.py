"""Compare two reports of runs whose scenarios were renamed or became checks: is anything lost or different?

    python tools/compare_results.py OLD/report.json NEW/report.json docs/renamed_checks.tsv

The table has two columns, tab-separated: the full title of a scenario in the old report (rows of outlines
expanded) and `check:<id>` or `scenario:<full title>` in the new one. A title that is not in the table is
unchanged. A check whose scenario was skipped as a whole counts as skipped. Differences are printed; exit code
1 when there is one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.conformance.case_table import all_checks
from support.runner.checks_of_scenarios import titles_of_groups

# behave's mark of an outline's row, ` -- @1.2 names`.
_ROW_MARK = re.compile(r" -- @[\d.]+.*$")
# Words for the outcome of a check and of a scenario that mean the same.
_SAME = {"unsupported": "skipped", "not_run": "skipped", "broken": "failed"}
MAX_LINES = 1000


def main(old: Path, new: Path, *tables: Path) -> int:
    """The exit code."""
    renamed: dict[str, list[str]] = {}
    for table in tables:
        for line in table.read_text(encoding="utf-8").splitlines():
            title, name = line.split("\t")[:2]
            renamed.setdefault(plain(title), []).append(name)
    before, after = _outcomes(_tests(old)), _outcomes(_tests(new))
    _add_skipped_checks(after)
    differences = []
    for name, status in before.items():
        title = name.removeprefix("scenario:")
        for counterpart in renamed.get(title, [name]):
            found = after.get(plain(counterpart))
            if found is None:
                differences.append(f"missing: {title} -> {counterpart}")
            elif found != status:
                differences.append(f"{status} -> {found}: {title} -> {counterpart}")
    print("\n".join(differences[:MAX_LINES]))
    print(f"{len(before)} before, {len(after)} after, {len(differences)} differences")
    return 1 if differences else 0


def plain(title: str) -> str:
    """The title without the mark of an outline's row."""
    return _ROW_MARK.sub("", title)


def _tests(report: Path) -> Iterable[dict[str, Any]]:
    """The rows of a report, or the records of a run (`records.jsonl`)."""
    text = report.read_text(encoding="utf-8")
    if report.suffix == ".jsonl":
        latest = {row["name"]: row for row in map(json.loads, text.splitlines())}
        return [{**row, "verdict": row["status"]} for row in latest.values()]
    tests: list[dict[str, Any]] = json.loads(text)["tests"]
    return tests


def _outcomes(tests: Iterable[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for test in tests:
        if test.get("kind") == "check":
            _add(found, f"check:{test['id']}", test["verdict"])
            continue
        _add(found, f"scenario:{plain(test['name'])}", test["verdict"])
        for check in test.get("checks", ()):
            _add(found, f"check:{check['id']}", check["status"])
    return found


def _add_skipped_checks(found: dict[str, str]) -> None:
    """The checks of the scenarios that were skipped before they ran any."""
    titles = {group: f"scenario:{title}" for group, title in titles_of_groups().items()}
    for name, check in all_checks().items():
        title = titles[name.partition(".")[0], check.group]
        if found.get(title) == "skipped":
            found.setdefault(f"check:{name}", "skipped")


def _add(found: dict[str, str], name: str, status: str) -> None:
    found[name] = _SAME.get(status, status)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*map(Path, sys.argv[1:])))
