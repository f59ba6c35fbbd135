"""The matrix of servers: sorted, summed up, escaped, and shown in the real report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from support.reporting.matrix import Matrix, write_matrix
from support.reporting.records import Record
from support.reporting.verdict import Cell


def asked(name: str, *cells: Cell, feature: str = "Chat") -> Record:
    return Record(name, feature, "features/parity/chat.feature:3", "parity", "passed", cells=cells)


RECORDS = [
    asked("z answers", Cell("A", "kept"), Cell("B", "lacking", "no such route"), feature="Z"),
    asked("a | <b>answers</b>", Cell("A", "broken", 'said "<i>" | \x1b[31m'), Cell("B", "kept")),
    asked("again", Cell("A", "known issue", "no such route"), Cell("B", "kept", behaviour="row 2")),
    asked("nothing asked"),
]


def test_rows_stand_by_group_and_servers_are_summed_up() -> None:
    matrix = Matrix.of(RECORDS)
    assert [row.title for row in matrix.rows] == ["a | <b>answers</b>", "again", "row 2", "z answers"]
    assert matrix.servers == ["A", "B"]
    assert (matrix.summary("A"), matrix.summary("B")) == ("1 / 3", "2 / 2")


def test_markdown_tells_each_reason_once_and_keeps_its_table() -> None:
    text = Matrix.of(RECORDS).markdown()
    assert "| a \\| \\<b\\>answers\\</b\\> | ✗ <sup>1</sup> | ✓ |" in text
    assert "| row 2 | · | ✓ |" in text
    assert text.count("no such route") == 2, "once in each group"
    assert "\x1b" not in text


def test_html_is_well_formed_and_its_reasons_can_be_reached() -> None:
    root = ElementTree.fromstring(Matrix.of(RECORDS).html())
    titles = [cell.get("title") for cell in root.iter("td") if cell.get("title")]
    assert 'broken: said "<i>" | \\x1b[31m' in titles
    assert [item.text for item in root.iter("li")] == ['said "<i>" | \\x1b[31m', "no such route"]
    assert not list(root.iter("b")) and not list(root.iter("i"))


def test_big_matrix_keeps_all_cells() -> None:
    cells = [Cell(f"server {number}", "kept", "x" * 500) for number in range(6)]
    root = ElementTree.fromstring(Matrix.of([asked(f"row {n}", *cells) for n in range(250)]).html())
    assert len([cell for cell in root.iter("td") if cell.get("title")]) == 1500
    assert len(list(root.iter("li"))) == 1


def test_run_without_cells_has_no_file_and_a_stale_one_goes(tmp_path: Path) -> None:
    file = tmp_path / "matrix.md"
    assert write_matrix(file, RECORDS) is not None and file.exists()
    assert write_matrix(file, [asked("nothing")]) is None and not file.exists()


def test_cells_survive_the_line_of_a_record() -> None:
    assert Record.from_line(RECORDS[1].to_line()) == RECORDS[1]
