"""What is made of `templates/*.jinja`: pages of the matrix, `summary.md`, the closing text, the chart."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from support.reporting.behave_events import capability_title
from support.reporting.check_text import STATUS_NAMES, reason_text
from support.reporting.known_issues_page import known_issue_groups
from support.reporting.matrix import MARKS, MEANINGS, TITLE, Matrix, share
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import (
    check_counts_text,
    counts_text,
    failed_alone,
    known_issues,
    shared_causes,
    skip_lines,
    totals_text,
)
from support.results.behave_types import BehaveScenario
from support.results.causes import neutral
from support.results.check import CheckResult
from support.results.known_issues import KnownIssue
from support.results.record import Record
from support.results.rerun_command import rerun_command
from support.results.safe_text import as_markdown, one_line, seconds, shortened, visible

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
NOTE_CHARACTERS = 240
SLOWEST = 3
_RFC = re.compile(r"\bRFC (\d+)(?:, (\d+(?:\.\d+)*))?")


def render(template: str, **values: object) -> str:
    """The text of `templates/<template>.jinja`, without blank lines at its ends."""
    return f"{_environment().get_template(f'{template}.jinja').render(values).strip()}\n"


def compile_templates() -> None:
    """All of them: in a process from which those of many runs are forked."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


def matrix_html(matrix: Matrix, run: str = "") -> str:
    """One page: a row opens on a click, and words go where a screen is narrow.

    `run`: its date and decision, and the versions of the programs.
    """
    return render("matrix.html", matrix=matrix, run=run)


def known_issues_html(
    verdict: RunVerdict, entries: Sequence[KnownIssue], programs: Collection[str], run: str
) -> str:
    """The page of known issues; empty when there are none. `run`: its date and decision.

    `programs`: the names of those under test.
    """
    groups = known_issue_groups(verdict.decision.findings, entries, programs)
    by_severity = groupby(groups, key=lambda group: group.cause.severity)
    if not groups:
        return ""
    return render(
        "known-issues.html",
        verdict=verdict,
        run=run,
        groups=[(severity, list(found)) for severity, found in by_severity],
        accepted=sum(finding.known for finding in verdict.decision.accepted),
    )


def matrix_markdown(matrix: Matrix) -> str:
    """The matrix in the Markdown of GitHub: reasons are footnotes, each text once."""
    # What differs from answer to answer would make a footnote of its own each time.
    notes: dict[str, str] = {}

    def note(reason: str) -> str:
        if not reason:
            return ""
        shown = shortened(reason, NOTE_CHARACTERS)
        notes.setdefault(key := neutral(shown), shown)
        return f"[^{list(notes).index(key) + 1}]"

    return render("matrix.md", matrix=matrix, notes=notes.values(), note=note)


def run_summary(records: Sequence[Record], *, duration: float, verdict: RunVerdict) -> dict[str, object]:
    """What both summaries of a run show: `summary.md`, and `closing.txt` for the terminal."""
    slowest = sorted(records, key=lambda record: record.duration, reverse=True)[:SLOWEST]
    return {
        "verdict": verdict,
        "counts": counts_text(records, verdict.decision),
        "checks": check_counts_text(records),
        "totals": totals_text(records, duration),
        "shared_causes": (shared := shared_causes(verdict.decision)),
        "failed": failed_alone(records, shared),
        "known_issues": known_issues(verdict.decision),
        "skips": skip_lines(records, verdict.decision.dependants),
        "slowest": [record for record in slowest if record.duration > 0],
    }


def decision_banner(
    records: Sequence[Record],
    verdict: RunVerdict,
    moment: str,
    pages: Mapping[str, str],
    evidence: str = "",
    *,
    injected_faults: str = "",
) -> str:
    """HTML with the decision, its first causes and the counts, and which injected faults were detected.

    Linked are `pages` (file -> title), and the folder `evidence` beside the page, where there is one.
    """
    return render(
        "decision.html",
        verdict=verdict,
        counts=counts_text(records, verdict.decision),
        checks=check_counts_text(records),
        moment=moment,
        pages=pages,
        evidence=evidence,
        injected_faults=injected_faults,
    )


def scenario_html(scenario: BehaveScenario) -> str:
    """The text of a scenario as it stands in its feature, with the steps of the background."""
    return render("scenario.html", scenario=scenario)


def checks_html(checks: Sequence[CheckResult]) -> str:
    """A table of checks: expected and actual side by side, and the request where there is one."""
    return render("checks.html", checks=checks)


@cache
def _environment() -> Environment:
    # Not at the top: only the end of a run needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith((".html.jinja", ".svg.jinja")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "capability_title": capability_title,
        "code": lambda text: visible(text).replace("`", "'"),
        "line": one_line,
        "md": as_markdown,
        "reason_text": reason_text,
        "rerun_command": lambda check: rerun_command("--case", check.id),
        "rfc_links": _rfc_links,
        "seconds": seconds,
        "visible": visible,
    }
    environment.globals |= {
        "marks": MARKS,
        "meanings": MEANINGS,
        "names": STATUS_NAMES,
        "share": share,
        "title": TITLE,
    }
    return environment


def _rfc_links(source: str) -> str:
    """The source as HTML, with links to the RFCs that it names."""
    return _RFC.sub(_rfc_link, html.escape(source))


def _rfc_link(found: re.Match[str]) -> str:
    section = f"#section-{found[2]}" if found[2] else ""
    place = f"https://www.rfc-editor.org/rfc/rfc{found[1]}{section}"
    return f'<a href="{place}" target="_blank" rel="noopener">{found[0]}</a>'
