"""Two finished runs compared: what differs, what of it is NO-GO, what cannot be compared."""

from __future__ import annotations

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from support.errors import SettingsError
from support.reporting.comparison import Comparison, comparison_text, write_comparison
from support.reporting.comparison import compare as compare_runs
from support.reporting.finished_run import load_finished_run
from support.reporting.measured_changes import difference_interval
from support.results.known_issues import KnownIssues

HTML = "<script>alert(1)</script>"
OTHER_FEATURE = "features/openai_api/models.feature:3"


def row(name: str, verdict: str = "passed", **fields: object) -> dict[str, Any]:
    """A scenario of `report.json`."""
    return {
        "kind": "scenario",
        "name": name,
        "verdict": verdict,
        "severity": "normal",
        "capability": "openai_api",
        "location": "features/openai_api/chat.feature:3",
        "reason": f"why {name} is {verdict}",
        "error": f"how {name} failed",
        **fields,
    }


def check(name: str, verdict: str = "passed", scenario: str = "Group", **fields: object) -> dict[str, Any]:
    return row(name, verdict, kind="check", scenario=scenario, title=f"title of {name}", **fields)


def report(*rows: dict[str, Any], target: str = "toy 1.0", **fields: object) -> dict[str, Any]:
    return {
        "suite": "acceptance",
        "timestamp": "2026-11-29T11:00:00Z",
        "decision": "GO",
        "gate": "release",
        "candidate": True,
        "exit_code": 0,
        "accepted": [],
        "subject": target,
        "environment": {"target": target},
        "tests": [row("It always works"), *rows],
        **fields,
    }


def write(folder: Path, document: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def compare(
    folder: Path, old: dict[str, Any], new: dict[str, Any], known_issues: KnownIssues | None = None
) -> Comparison:
    """Of reports in folders of their own."""
    runs = [load_finished_run(write(folder / name, one)) for name, one in (("old", old), ("new", new))]
    return compare_runs(runs[0], runs[1], known_issues or KnownIssues(()))


def of_rows(folder: Path, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Comparison:
    """Of two versions of a program."""
    return compare(folder, report(*old), report(*new, target="toy 2.0"))


@pytest.mark.parametrize(
    ("old", "new", "severity", "change", "go"),
    [
        ("passed", "failed", "trivial", "newly failing", False),
        ("passed", "broken", "normal", "newly failing", False),
        ("known_issue", "failed", "blocker", "newly failing", True),
        ("passed", "known_issue", "critical", "newly known", True),
        ("passed", "known_issue", "blocker", "newly known", False),
        ("failed", "known_issue", "blocker", "newly known", True),
        ("passed", "skipped", "critical", "no longer run", True),
        ("passed", "skipped", "blocker", "no longer run", False),
        ("known_issue", "out_of_scope", "blocker", "no longer run", False),
        ("passed", "interrupted", "blocker", "no longer run", False),
        ("skipped", "failed", "blocker", "newly run", True),
        ("failed", "passed", "blocker", "newly passing", True),
        ("known_issue", "passed", "normal", "newly passing", True),
    ],
)
def test_a_change_and_what_it_decides(
    tmp_path: Path, old: str, new: str, severity: str, change: str, *, go: bool
) -> None:
    found = of_rows(tmp_path, [row("S", old, severity=severity)], [row("S", new, severity=severity)])
    assert [(one.name, one.change, one.counts) for one in found.differences] == [("S", change, not go)]
    assert (found.go, found.exit_code) == (go, 0 if go else 1)
    assert found.sentences[0].startswith("GO for" if go else "NO-GO for")


AT_URL = "requires a local binary, but the target is a URL; set MISTRALRS_BIN instead of TARGET_URL"
STARTS: dict[str, Any] = {"severity": "blocker", "tags": ["blocker", "needs.command"]}


def test_what_needs_a_program_is_not_comparable_with_a_url(tmp_path: Path) -> None:
    old = [row("Starts", **STARTS), row("Group", **STARTS), check("a.b", **STARTS)]
    new = [
        row("Starts", "skipped", reason=AT_URL, **STARTS),
        row("Group", "skipped", reason=AT_URL, **STARTS),
    ]
    found = of_rows(tmp_path, old, new)
    assert {(one.change, one.note, one.counts) for one in found.differences} == {
        ("not comparable", "needs a program", False)
    }
    assert found.sentences[0] == (
        "GO for the upgrade of the comparable part only, without 2 scenarios that need a program: "
        "what passes on 1.0 passes on 2.0."
    )
    assert "2 not comparable" in found.sentences[1]
    assert "not comparable  blocker, passed -> not run, needs a program: " in comparison_text(found)


@pytest.mark.parametrize(
    ("verdict", "fields"),
    [
        ("skipped", {"reason": "requires tmux", **STARTS}),
        ("skipped", {"reason": AT_URL, "severity": "blocker", "tags": ["blocker"]}),
        ("failed", {"error": AT_URL, **STARTS}),
    ],
)
def test_what_could_be_run_at_a_url_is_no_exception(
    tmp_path: Path, verdict: str, fields: dict[str, Any]
) -> None:
    apart = row("Starts", "skipped", reason=AT_URL, **STARTS)
    found = of_rows(
        tmp_path, [row("Starts", **STARTS), row("S", **STARTS)], [apart, row("S", verdict, **fields)]
    )
    assert not found.go
    assert found.sentences[0].endswith("; not comparable: 1 scenario that needs a program.")
    assert of_rows(tmp_path, [row("Starts", **STARTS)], [row("S", **STARTS)]).go is False, "it is missing"


def test_each_number_names_what_it_counts(tmp_path: Path) -> None:
    severities = ("blocker", "normal", "minor")
    old = [row(name, severity=name) for name in severities]
    found = of_rows(tmp_path, old, [row(name, "known_issue", severity=name) for name in severities])
    assert found.sentences[0].endswith("1 scenario that passes on 1.0 is a known blocker on 2.0.")
    assert "3 newly known (1 counts)." in found.sentences[1]


@pytest.mark.parametrize("verdict", ["passed", "failed", "known_issue", "skipped"])
def test_what_is_equal_is_not_listed(tmp_path: Path, verdict: str) -> None:
    found = of_rows(tmp_path, [row("S", verdict)], [row("S", verdict)])
    assert found.go
    assert not found.differences
    assert "no differences" in comparison_text(found)


def test_skipped_and_unsupported_are_equal(tmp_path: Path) -> None:
    old = [row("Group", "skipped"), check("a.b", "unsupported")]
    assert not of_rows(tmp_path, old, [row("Group", "skipped"), check("a.b", "not_run")]).differences


def test_a_go_of_a_part_is_for_that_part_only(tmp_path: Path) -> None:
    part = report(target="toy 2.0", unselected=423, out_of_scope=1)
    assert compare(tmp_path, report(), part).sentences[0] == (
        "GO for the upgrade of the selected part only, without 423 scenarios and 1 scenario out of scope: "
        "what passes on 1.0 passes on 2.0."
    )


@pytest.mark.parametrize("wrong", [{"decision": "MAYBE"}, {"gate": "none"}])
def test_a_report_with_an_unknown_result_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is no report of this suite"):
        load_finished_run(write(tmp_path, report() | wrong))


def test_first_sentence_has_numbers_and_versions(tmp_path: Path) -> None:
    old = [row("Group"), check("a"), check("b"), row("S"), row("T", severity="blocker")]
    new = [
        row("Group", "failed"),
        *(check("a", "failed"), check("b", "failed")),
        row("S", "failed"),
        row("T", "skipped", severity="blocker"),
    ]
    assert of_rows(tmp_path, old, new).sentences[0] == (
        "NO-GO for the upgrade: 2 checks and 1 scenario that pass on 1.0 fail on 2.0, "
        "1 blocking scenario that runs on 1.0 is not run on 2.0."
    )


def test_a_go_names_what_passed_and_does_not_block(tmp_path: Path) -> None:
    found = of_rows(tmp_path, [row("S"), row("T")], [row("S", "skipped"), row("T", "known_issue")])
    assert found.sentences[0] == (
        "GO for the upgrade: what passes on 1.0 passes on 2.0 or does not block "
        "(1 newly known, 1 no longer run)."
    )


def test_equal_labels_are_told_apart_by_folder(tmp_path: Path) -> None:
    found = compare(tmp_path, report(), report(row("S")))
    assert found.names == (f"toy 1.0 ({tmp_path / 'old'})", f"toy 1.0 ({tmp_path / 'new'})")


def test_reference_server_is_no_candidate(tmp_path: Path) -> None:
    found = compare(tmp_path, report(), report(target="other 9", candidate=False))
    assert "other 9 is no candidate" in found.sentences[2]


def test_an_accepted_failure_does_not_count(tmp_path: Path) -> None:
    new = report(row("S", "failed"), target="toy 2.0", accepted=[{"id": "S"}])
    found = compare(tmp_path, report(row("S")), new)
    assert found.go
    assert [one.note for one in found.differences] == ["accepted"]


@pytest.mark.parametrize(("versions", "go"), [(">=1", True), (">=2", False)])
def test_a_flaky_known_issue_of_both_does_not_count(tmp_path: Path, versions: str, *, go: bool) -> None:
    file = tmp_path / "known_issues.toml"
    file.write_text(
        f'[[known_issue]]\ntarget = "toy"\nversions = "{versions}"\nreason = "mixed"\nsource = "s"\n'
        'flaky = true\nchecks = ["a"]\nfailure = { layer = "model", pattern = "another answer" }\n'
    )
    old = report(row("Group"), check("a", severity="blocker"))
    new = report(row("Group", "known_issue"), check("a", "known_issue", severity="blocker"), target="toy 2.0")
    assert compare(tmp_path, old, new, KnownIssues.load(file)).go == go


def test_a_failed_check_is_listed_and_its_scenario_is_not(tmp_path: Path) -> None:
    old, new = [row("Group"), check("a")], [row("Group", "failed"), check("a", "failed")]
    assert [one.name for one in of_rows(tmp_path, old, new).differences] == ["a"]


def test_a_scenario_that_fails_beside_its_checks_is_listed(tmp_path: Path) -> None:
    old, new = [row("Group"), check("a")], [row("Group", "failed"), check("a")]
    assert [one.name for one in of_rows(tmp_path, old, new).differences] == ["Group"]


def test_a_group_that_fails_before_its_checks_counts_once(tmp_path: Path) -> None:
    old = [row("Group", "known_issue"), check("a"), check("b", "known_issue")]
    found = of_rows(tmp_path, old, [row("Group", "broken")])
    assert [(one.name, one.counts) for one in found.differences] == [("Group", True)]


def test_a_skipped_group_stands_for_its_checks(tmp_path: Path) -> None:
    old = [row("Group", "known_issue"), check("a"), check("b", "known_issue")]
    found = of_rows(tmp_path, old, [row("Group", "skipped")])
    assert [(one.name, one.old, one.new) for one in found.differences] == [
        ("Group", "known issue", "not run")
    ]


def test_a_blocking_check_of_a_skipped_group_counts(tmp_path: Path) -> None:
    old = [row("Group"), check("a", severity="blocker"), check("b")]
    found = of_rows(tmp_path, old, [row("Group", "skipped")])
    assert {one.name: one.counts for one in found.differences} == {"Group": False, "a": True}


def test_a_check_or_scenario_that_is_gone_is_no_longer_run(tmp_path: Path) -> None:
    found = of_rows(tmp_path, [row("Group"), check("a"), check("b"), row("S")], [row("Group"), check("b")])
    assert {(one.name, one.change) for one in found.differences} == {
        ("a", "no longer run"),
        ("S", "no longer run"),
    }


def test_a_failure_outside_of_the_features_is_newly_failing(tmp_path: Path) -> None:
    new = row("server that ended", "failed", location="environment.py:1", capability="")
    found = of_rows(tmp_path, [], [new])
    assert [(one.change, one.counts) for one in found.differences] == [("newly failing", True)]
    assert "Outside of the features" in comparison_text(found)


def test_one_row_for_one_cause(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d", "e"]
    old = [row("Group"), *map(check, names)]
    new = [row("Group", "failed"), *(check(name, "failed", error="it crashed") for name in names)]
    found = of_rows(tmp_path, old, new)
    assert [len(differences) for differences in found.tables["openai_api"]] == [5]
    assert "... and 2 more" in comparison_text(found)
    _, markdown = write_comparison(found, tmp_path)
    assert all(f"`{name}`" in markdown.read_text() for name in names)


def test_numbers_make_no_cause_of_their_own(tmp_path: Path) -> None:
    messages = {
        "A": "total_tokens 129 is not 17 + 12",
        "B": "total_tokens 142 is not 17 + 25",
        "C": "no total",
    }
    found = of_rows(
        tmp_path,
        [row(name) for name in messages],
        [row(name, "failed", error=message) for name, message in messages.items()],
    )
    assert [len(rows) for rows in found.tables["openai_api"]] == [2, 1]


def test_a_row_is_a_block_on_a_phone(tmp_path: Path) -> None:
    page, _ = write_comparison(of_rows(tmp_path, [row("S")], [row("S", "failed")]), tmp_path)
    narrow = page.read_text().partition("@media (max-width: 720px)")[2]
    assert ".changes tr { display: block" in narrow
    assert ".reason, .names { min-width: 16em }" in page.read_text(), "a column of single letters"
    assert '<td class="names">' in page.read_text() and '<td class="state new failed">' in page.read_text()


def test_one_table_for_each_capability(tmp_path: Path) -> None:
    tags = {"capability": "mcp", "location": "features/mcp/agents.feature:3"}
    found = of_rows(
        tmp_path, [row("S"), row("T", **tags)], [row("S", "failed"), row("T", "known_issue", **tags)]
    )
    page, markdown = write_comparison(found, tmp_path)
    assert page.read_text().count('<table class="changes">') == 2
    assert [line for line in markdown.read_text().splitlines() if line.startswith("### ")] == [
        *("### OpenAI API", "### MCP", "### Slower or larger")
    ]


class Tags(HTMLParser):
    """The elements of a page, and its links."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_page_needs_no_network_and_has_no_foreign_markup(tmp_path: Path) -> None:
    new = report(row("S", "failed", error=HTML, source=HTML), target=HTML)
    found = compare(tmp_path, report(row("S")), new)
    (tmp_path / "new" / "index.html").touch()
    page, _ = write_comparison(found, tmp_path / "reports")
    parsed = Tags()
    parsed.feed(page.read_text())
    assert not parsed.tags & {"script", "link", "img"}
    assert parsed.links == ["../old", "../new/index.html"]
    assert "prefers-color-scheme: dark" in page.read_text()


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"suite": "other"}, "different suites: .*'acceptance'.*'other'"),
        ({"tests": [row("S", location=OTHER_FEATURE)]}, "only .*old has features/openai_api/chat.feature"),
        (
            {"tests": [row("It always works"), row("S", location=OTHER_FEATURE)]},
            "only .*new has features/openai_api/models.feature",
        ),
        ({"environment": {"setting acceptance_cases": "a.b (-D)"}}, "acceptance_cases is '' and 'a.b'"),
        ({"gate": "strict"}, "different gates: release and strict"),
        ({"exit_code": 130}, "ended with exit code 130"),
        ({"tests": [row("It always works", "skipped")]}, "nothing ran on both"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path: Path, new: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        compare(tmp_path, report(), {**report(), **new})
    assert "\n" not in str(raised.value)


def test_same_folder_twice(tmp_path: Path) -> None:
    run = load_finished_run(write(tmp_path, report()))
    with pytest.raises(SettingsError, match="same run"):
        compare_runs(run, load_finished_run(tmp_path / "report.json"), KnownIssues(()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read .*no folder of reports"),
        ("", "is no report"),
        ("{", "is no report"),
        ("\xff", "is no report"),
        ("[" * 100_000, "is no report"),
        ("[]", "is no report"),
        ("{}", "has no `decision`: .*earlier version"),
        (json.dumps(report({"kind": "check", "name": "a"})), "has no `severity`: .*earlier version"),
        (json.dumps(report(row("S", severity="huge"))), "is no report"),
        (
            json.dumps(report(row("S", measures=[{"title": "t", "value": float("nan"), "unit": "s"}]))),
            "no report",
        ),
    ],
    ids=["none", "empty", "cut", "bytes", "deep", "list", "object", "no severity", "severity", "nan"],
)
def test_reports_that_cannot_be_read(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="latin-1")
    with pytest.raises(SettingsError, match=message) as raised:
        load_finished_run(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_report_under_another_name_is_read_itself(tmp_path: Path) -> None:
    write(tmp_path, report(row("S")))
    (tmp_path / "report.json").rename(tmp_path / "kept.json")
    write(tmp_path, report(row("Another")))
    assert "S" in [test.name for test in load_finished_run(tmp_path / "kept.json").report.tests]
    with pytest.raises(SettingsError, match=r"none\.json cannot be read"):
        load_finished_run(tmp_path / "none.json")


def measured(seconds: float, unit: str = "s") -> dict[str, Any]:
    return report(row("S", measures=[{"key": "k", "title": "ready after", "value": seconds, "unit": unit}]))


def iterations(folder: Path, *documents: dict[str, Any], memory: tuple[int, ...] = ()) -> Path:
    """The folder of a run with `--iterations`."""
    kept = folder / "iterations"
    for number, document in enumerate(documents, 1):
        write(kept, document)
        (kept / "report.json").rename(kept / f"{number}.json")
    for number, size in enumerate(memory, 1):
        (kept / f"{number}.csv").write_text(f"time,memory_bytes,gpu_percent\n2026,{size},\n2026,1,\n")
    return write(folder, documents[-1])


def test_one_run_each_is_not_evaluated(tmp_path: Path) -> None:
    found = compare(tmp_path, measured(1), measured(9))
    assert "not evaluated: one run each" in comparison_text(found)
    page, markdown = write_comparison(found, tmp_path)
    assert "Not evaluated: one run each" in page.read_text()
    assert "Not evaluated: one run each" in markdown.read_text()


@pytest.mark.parametrize(
    ("new", "unit", "worse"),
    [
        ((2.0, 2.1, 1.9), "s", 1),
        ((1.0, 1.2, 1.1), "s", 0),
        ((0.5, 0.51, 0.52), "s", 0),
        ((1.0, 5.0, 3.0), "s", 0),
        ((0.5, 0.51, 0.52), "tokens/s", 1),
        ((2.0, 2.1, 1.9), "tokens/s", 0),
    ],
)
def test_slower_beyond_the_interval(tmp_path: Path, new: tuple[float, ...], unit: str, worse: int) -> None:
    runs = [
        load_finished_run(iterations(tmp_path / name, *(measured(value, unit) for value in values)))
        for name, values in (("old", (1.0, 1.1, 0.9)), ("new", new))
    ]
    found = compare_runs(runs[0], runs[1], KnownIssues(()))
    assert (found.go, found.measured.evaluated, len(found.measured.worse)) == (True, 1, worse)
    text = comparison_text(found)
    page, markdown = write_comparison(found, tmp_path)
    assert all(
        ("ready after" in shown) == bool(worse) for shown in (text, page.read_text(), markdown.read_text())
    )


def test_larger_peak_of_the_resource_usage(tmp_path: Path) -> None:
    runs = [
        load_finished_run(iterations(tmp_path / name, *[report()] * 3, memory=sizes))
        for name, sizes in (
            ("old", (10**8, 10**8 + 1, 10**8 + 2)),
            ("new", (3 * 10**8, 3 * 10**8 + 1, 3 * 10**8)),
        )
    ]
    worse = compare_runs(runs[0], runs[1], KnownIssues(())).measured.worse
    assert [(one.title, round(one.old), round(one.new)) for one in worse] == [
        ("peak memory of the target", 100, 300)
    ]


def test_interval_is_that_of_students_t() -> None:
    # NIST/SEMATECH e-Handbook, 1.3.6.7.2: 2 degrees of freedom, 0.975: 4.303.
    assert difference_interval((1, 2, 3), (1, 2, 3)) == pytest.approx((-3.5134, 3.5134), abs=1e-4)


def test_the_worst_result_of_several_runs_counts(tmp_path: Path) -> None:
    folder = iterations(
        tmp_path / "new", report(row("S", "failed"), target="toy 2.0"), report(row("S"), target="toy 2.0")
    )
    old = load_finished_run(write(tmp_path / "old", report(row("S"))))
    assert not compare_runs(old, load_finished_run(folder), KnownIssues(())).go


def test_iterations_of_an_earlier_run_are_ignored(tmp_path: Path) -> None:
    folder = iterations(tmp_path, report(row("S", "failed")), report(row("S")))
    write(folder, report(row("S"), timestamp="2026-11-29T12:00:00Z"))
    assert len(load_finished_run(folder).reports) == 1


def lines_for(differences: int, folder: Path) -> int:
    """How many lines of Python run for a comparison with so many differences, the same number everywhere."""
    checks = [check(f"c{number}", "passed", f"Group {number // 10}") for number in range(differences)]
    groups = [row(f"Group {number}") for number in range(differences // 10)]
    failed = [{**one, "verdict": "failed"} for one in checks]
    folder.mkdir()
    lines = 0

    def count(_frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"  # also for each round of a loop in one line
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        found = of_rows(folder, [*groups, *checks], [*groups, *failed])
        write_comparison(found, folder)
    finally:
        sys.settrace(before)
    assert len(found.differences) == differences
    return lines


def test_five_times_as_many_differences_take_five_times_as_many_lines(tmp_path: Path) -> None:
    lines_for(20, tmp_path / "first")  # compiles the templates of the page
    # With the square of their number it would be 25 times.
    few, many = lines_for(200, tmp_path / "few"), lines_for(1000, tmp_path / "many")
    assert 4 * few < many < 6 * few
