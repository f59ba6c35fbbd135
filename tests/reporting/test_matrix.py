"""The matrix of behaviours and servers: what is counted, how it is written, each reason reachable."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from support.reporting.allure_formatter import attach_to_run
from support.reporting.matrix import MARKS, MEANINGS, Matrix, matrix_of, passed_of_run
from support.reporting.rendering import matrix_html, matrix_markdown, render
from support.results.check import CheckResult
from support.results.outcome import CellStatus, Evidence, MatrixCell
from support.results.record import Record
from support.results.redaction import REDACTED, Redactor, set_redactor
from tests.reporting import toys

AWKWARD = 'expected <b>x</b> | got `y`\nsee \x1b[31m"http://h/?a=1&b=$2"'


def record(
    name: str, *cells: MatrixCell, group: str = "chat", line: int = 5, api: str = "openai_api"
) -> Record:
    """A record of a scenario with one check, of the title `name`."""
    check = CheckResult(f"toy.{name}.{line}", name, group, "must", "passed", cells=cells)
    return replace(empty(line, api), checks=(check,))


def empty(line: int = 5, api: str = "openai_api") -> Record:
    return Record("Scenario", "Chat", f"features/{api}/chat.feature:{line}", api, "passed", target="toy 1.0")


def cell(server: str, status: CellStatus, reason: str = "", *, under_test: bool = False) -> MatrixCell:
    return MatrixCell(server, status, reason, under_test)


RECORDS = [
    record(
        "it streams",
        cell("other", "passed"),
        cell("ours", "failed", AWKWARD, under_test=True),
        line=10,
    ),
    record(
        "it answers",
        cell("ours", "passed", under_test=True),
        cell("other", "unsupported", "404"),
        line=9,
    ),
    record(
        "it tags",
        cell("ours", "not_run", "has no Ollama API", under_test=True),
        group="tags",
        api="ollama_api",
    ),
    empty(line=1),
]


class Table(HTMLParser):
    """The words of each row, the titles of cells, tags that were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.titles: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if title := dict(attrs).get("title"):
            self.titles.append(title)

    def handle_data(self, data: str) -> None:
        if self.rows:
            self.rows[-1].append(data)


def read(matrix: Matrix) -> Table:
    table = Table()
    table.feed(matrix_html(matrix))
    return table


def test_each_api_has_its_servers_under_test_first_and_its_rows_in_the_order_of_the_features() -> None:
    ollama, openai = matrix_of(RECORDS).apis
    assert [(part.title, part.servers, part.under_test) for part in (ollama, openai)] == [
        ("Ollama API", ("ours",), frozenset({"ours"})),
        ("OpenAI API", ("ours", "other"), frozenset({"ours"})),
    ]
    assert [(row.group, row.title) for row in openai.rows] == [("chat", "it answers"), ("chat", "it streams")]


def test_each_check_of_a_group_is_a_row_with_its_id_and_level() -> None:
    checks = (
        CheckResult("toy.a", "it answers", "bodies", "must", "passed", cells=(cell("a", "passed"),)),
        CheckResult("toy.b", "it streams", "bodies", "should", "passed", cells=(cell("a", "failed"),)),
    )
    matrix = matrix_of([replace(empty(), checks=checks)])
    assert [(row.id, row.title, row.group, row.level) for row in matrix.rows] == [
        ("toy.a", "it answers", "bodies", "must"),
        ("toy.b", "it streams", "bodies", "should"),
    ]
    assert "| it streams | toy.b | should | ✗ failed |" in matrix_markdown(matrix)
    assert 'it streams <span class="id">toy.b</span>' in matrix_html(matrix)


def test_a_check_that_is_compared_with_nothing_is_a_row_of_its_target() -> None:
    failed = CheckResult(
        "toy.a", "it answers", "g", "must", "failed", actual="500", source="RFC 9110", repeat="curl"
    )
    late = CheckResult("toy.b", "it streams", "g", "must", "not_run", reason="no time")
    first, second = matrix_of([replace(empty(), checks=(failed, late))]).rows
    assert first.cell("toy 1.0") == MatrixCell("toy 1.0", "failed", "500", under_test=True, repeat="curl")
    assert first.source == "RFC 9110"
    assert second.cell("toy 1.0").status == "not_run"


def test_what_was_not_run_is_not_counted_and_what_is_unsupported_is() -> None:
    _, openai = matrix_of(RECORDS).apis
    assert passed_of_run(openai.rows, "ours") == (1, 2)
    assert passed_of_run(openai.rows, "other") == (1, 2)
    for text in (matrix_markdown(matrix_of(RECORDS)), render("matrix_brief.md", matrix=matrix_of(RECORDS))):
        assert "| ours (under test) | 1 / 2 | 1 | 1 | 0 | 0 | 0 |" in text
        assert "| other | 1 / 2 | 1 | 0 | 0 | 1 | 0 |" in text
        assert "| ours (under test) | - | 0 | 0 | 0 | 0 | 1 |" in text


def test_incidents_of_servers_stand_before_the_rows() -> None:
    died = MatrixCell("other", "failed", "the server died (SIGSEGV): transport", incident="died (SIGSEGV)")
    left_out = [record(f"row {n}", cell("other", "not_run", "given up"), line=n) for n in range(3)]
    matrix = matrix_of([record("it is long", died), *left_out])
    assert matrix.incidents() == [
        "other: died (SIGSEGV) (case: it is long)",
        "other: 3 not run: given up",
    ]
    page, text = matrix_html(matrix), matrix_markdown(matrix)
    assert 0 < page.index("died (SIGSEGV)") < page.index("<h2>")
    assert 0 < text.index("died (SIGSEGV)") < text.index("## OpenAI")
    assert "3 not run: given up" in render("matrix_brief.md", matrix=matrix)


def test_each_row_has_the_source_of_its_rule_and_the_command_that_runs_it() -> None:
    broken = MatrixCell("a", "failed", "500", source="RFC 9110, 15.5.1", repeat="curl -sS 'http://h/<x>'")
    matrix = matrix_of([record('"x" is said', broken)])
    page = matrix_html(matrix)
    assert '<a href="https://www.rfc-editor.org/rfc/rfc9110#section-15.5.1"' in page
    assert "<code>curl -sS &#39;http://h/&lt;x&gt;&#39;</code>" in page
    assert "<code>acceptance run --case &#39;toy.&#34;x&#34; is said.5&#39;</code>" in page
    assert "| RFC 9110, 15.5.1 |" in matrix_markdown(matrix)


def test_each_status_is_distinct_without_colours_and_explained() -> None:
    assert len(set(MARKS.values())) == len(MARKS) and set(MARKS) == set(MEANINGS)
    matrix = matrix_of([record("x", *(cell(status, status) for status in MARKS))])
    for text in (matrix_html(matrix), matrix_markdown(matrix)):
        assert all(meaning in text for meaning in MEANINGS.values())
        assert all(mark in text for mark in MARKS.values())


def test_rows_that_pass_everywhere_can_be_hidden() -> None:
    rows = [
        record("passed", cell("a", "passed"), cell("b", "not_run"), line=1),
        record("unsupported", cell("a", "passed"), cell("b", "unsupported"), line=2),
    ]
    assert [row.all_passed for row in matrix_of(rows).rows] == [True, False]
    assert matrix_html(matrix_of(rows)).count('<tr data-row class="all_passed">') == 1


def test_a_group_without_a_found_row_is_hidden_and_the_page_is_as_wide_as_a_phone() -> None:
    page = matrix_html(matrix_of(RECORDS))
    assert page.count("<tbody data-group>") == 2
    assert "[data-group]:not(:has([data-row]:not(.unmatched))) { display: none }" in page
    assert '<div class="scroll"><table class="counts">' in page
    # A column that is gone would move the others: a heading spans it.
    assert ".matrix .level { width: 0;" in page and 'colspan="2"' in page


def test_what_differs_from_answer_to_answer_is_one_footnote() -> None:
    def answer(number: int) -> str:
        return f'got 200: {{"id":"chatcmpl-{number}","created":179533{number}}} at 127.0.0.1:4000{number}'

    rows = [record(f"row {n}", cell("a", "failed", answer(n)), line=n) for n in range(3)]
    assert len(re.findall(r"^\[\^\d+\]:", matrix_markdown(matrix_of(rows)), re.MULTILINE)) == 1


def test_a_run_without_checks_has_no_matrix() -> None:
    assert not matrix_of([RECORDS[3]])


def test_a_result_goes_before_none_and_the_server_under_test_before_a_compared_one() -> None:
    name = "It answers"
    matrix = matrix_of(
        [
            record(name, cell("a", "not_run"), cell("b", "passed"), cell("c", "failed", under_test=True)),
            record(name, cell("a", "passed"), cell("b", "failed", under_test=True), cell("c", "passed")),
        ]
    )
    (row,) = matrix.rows
    assert [row.cell(server).status for server in "abc"] == ["passed", "failed", "failed"]


def test_every_reason_is_reachable_in_the_page_by_hovering_and_by_opening() -> None:
    table = read(matrix_of(RECORDS))
    told = 'expected <b>x</b> | got `y` see \\x1b[31m"http://h/?a=1&b=$2"'
    assert table.titles == ["has no Ollama API", "404", told]
    assert any(told in "".join(row) for row in table.rows)
    assert "b" in table.tags and not table.tags & {"img", "link", "iframe"}
    harmless = matrix_html(matrix_of([record("<script>", cell("<img src=x>", "passed"))]))
    assert harmless.count("<script") == 1 and "<img" not in harmless


def test_every_reason_is_a_footnote_once() -> None:
    records = [record(f"row {line}", cell("a", "unsupported", "404"), line=line) for line in range(1, 4)]
    text = matrix_markdown(matrix_of([*records, *RECORDS]))
    used = re.findall(r"(?<!\n)\[\^(\d+)\]", text)
    assert text.count(": 404\n") == 1
    assert sorted(set(used)) == sorted(re.findall(r"^\[\^(\d+)\]:", text, re.MULTILINE))
    assert "expected \\<b\\>x\\</b\\> \\| got \\`y\\` see \\\\x1b\\[31m" in text
    rows = [line for line in text.split("### ")[-1].splitlines() if line[:1] == "|"]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    assert widths == {8}, "each line of a table has all its cells"


def test_no_secret_reaches_the_matrix() -> None:
    set_redactor(Redactor(["s3cret-word"]))
    try:
        matrix = matrix_of([record("x", cell("at http://me:pw@h", "failed", f"{'x' * 395} s3cret-word"))])
        for text in (matrix_html(matrix), matrix_markdown(matrix)):
            assert "s3cre" not in text and "pw@" not in text and REDACTED in text
    finally:
        set_redactor(Redactor())


def test_cells_survive_the_line_of_a_record() -> None:
    assert Record.from_line(RECORDS[0].to_line()) == replace(RECORDS[0], tags=())


def test_cells_reach_the_records_of_a_real_run(toy_run: toys.Run) -> None:
    assert toy_run.records["Bodies that are not JSON are rejected"].checks[0].cells == (
        MatrixCell("toy 1.0", "passed", under_test=True),
        MatrixCell("toy 2.0", "failed", "answers \\x1b[31m500"),
    )


def test_many_rows_are_written_whole(tmp_path: Path) -> None:
    statuses = list(MARKS)
    records = [
        record(
            f"The behaviour number {row} is kept",
            *(cell(f"server {c}", statuses[(row + c) % 5], f"because of {row} and {c}") for c in range(6)),
            group=f"part {row // 25}",
            line=row,
        )
        for row in range(250)
    ]
    matrix = matrix_of(records)
    table = read(matrix)
    assert len(table.titles) == 1500
    assert len(table.rows) == 7 + 2 + 10 + 250
    attach_to_run(tmp_path, [Evidence("conformance by server", "text/html", matrix_html(matrix).encode())])
    (described,) = tmp_path.glob("*-globals.json")
    assert json.loads(described.read_bytes())["attachments"][0]["type"] == "text/html"
