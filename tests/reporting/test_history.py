"""The history of runs: it goes on, stays small, and costs no report when it is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.errors import AcceptanceError
from support.reporting import history, html
from support.settings import default_cache
from tests.reporting import toys

ROWS = [json.dumps({"uuid": str(number), "testResults": {}}) for number in range(40)]


def lent(text: str | bytes, folder: Path) -> tuple[list[str], list[str]]:
    """The lines that Allure gets of such a file, and what was said."""
    file, copy, said = folder / "history.jsonl", folder / "copy.jsonl", list[str]()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    history.load_history(file, copy, said.append)
    return copy.read_text().splitlines(), said


def test_only_the_latest_runs_are_lent_and_taken_back(tmp_path: Path) -> None:
    lines, said = lent("\n".join(ROWS), tmp_path)
    assert (lines, said) == (ROWS[-30:], [])
    copy, back = tmp_path / "copy.jsonl", tmp_path / "back.jsonl"
    copy.write_text("\n".join(ROWS))
    history.save_history(copy, back, said.append)
    assert (back.read_text().splitlines(), said) == (ROWS[-30:], [])


def test_only_runs_of_the_same_target_and_selection_are_lent(tmp_path: Path) -> None:
    file, copy = tmp_path / "history.jsonl", tmp_path / "copy.jsonl"
    file.write_text("\n".join(ROWS[:2]))
    for compared, row, lent_before in (("a", 2, []), ("b", 3, []), ("a", 4, ["2"])):
        others = history.load_history(file, copy, pytest.fail, compared)
        assert [json.loads(line)["uuid"] for line in copy.read_text().splitlines()] == lent_before
        # As Allure does.
        copy.write_text(f"{copy.read_text()}{ROWS[row]}\n")
        history.save_history(copy, file, pytest.fail, compared, others)
    runs = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(run["uuid"], run.get("compared")) for run in runs] == [
        ("0", None),
        ("1", None),
        ("3", "b"),
        ("2", "a"),
        ("4", "a"),
    ]


@pytest.mark.parametrize(
    "rubbish",
    [b"{", b"\xff\xfe\x00", b"[]", b'{"uuid": 1, "testResults": {}}', b'{"uuid": "x", "testResults": null}'],
)
def test_a_line_that_is_no_run_is_told_and_left_out(tmp_path: Path, rubbish: bytes) -> None:
    lines, said = lent(ROWS[0].encode() + b"\n" + rubbish + b"\n" + ROWS[1].encode(), tmp_path)
    assert lines == ROWS[:2]
    assert len(said) == 1 and "history.jsonl has 1 lines that are no record of a run" in said[0]


def test_the_size_is_bounded_and_the_latest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 3 * (len(ROWS[-1]) + 1))
    copy, back = tmp_path / "copy.jsonl", tmp_path / "back.jsonl"
    copy.write_text("\n".join(ROWS))
    history.save_history(copy, back, print)
    assert back.read_text().splitlines() == ROWS[-3:]


def test_no_history_is_nothing_to_speak_of(tmp_path: Path) -> None:
    said: list[str] = []
    history.load_history(tmp_path / "absent", tmp_path / "copy", said.append)
    assert ((tmp_path / "copy").read_text(), said) == ("", [])


def one_result(folder: Path, status: str) -> Path:
    folder.mkdir(exist_ok=True)
    result = {
        "uuid": "a",
        "name": "It answers",
        "fullName": "It answers",
        "testCaseId": "1",
        "status": status,
        "start": 1_700_000_000_000,
        "stop": 1_700_000_000_100,
        "labels": [],
    }
    (folder / "a-result.json").write_text(json.dumps(result))
    return folder


def corrupt(file: Path) -> None:
    file.write_text("not JSON at all\n")


@pytest.mark.engine
@pytest.mark.parametrize(
    ("spoil", "words"), [(corrupt, "no record of a run"), (Path.mkdir, "cannot be read")]
)
def test_a_spoilt_history_costs_one_line_and_no_report(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    said: list[str] = []
    spoil(tmp_path / "history.jsonl")
    page = html.build(
        one_result(tmp_path / "results", "passed"),
        tmp_path / "index.html",
        environment={},
        cache=default_cache(),
        report_progress=said.append,
    )
    assert page.exists()
    # Beside another line when Allure was not there yet.
    assert [line for line in said if words in line] and all("\n" not in line for line in said)


@pytest.mark.engine
def test_an_earlier_run_is_in_the_page_of_the_next(tmp_path: Path) -> None:
    page, printed = tmp_path / "index.html", list[str]()
    for status in ("failed", "passed"):
        html.build(
            one_result(tmp_path / "results", status),
            page,
            environment={},
            cache=default_cache(),
            report_progress=printed.append,
        )
    assert all(line.startswith("making ") for line in printed)
    runs = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert [[test["status"] for test in run["testResults"].values()] for run in runs] == [
        ["failed"],
        ["passed"],
    ]
    assert runs[0]["uuid"] in history_of(page)


def history_of(page: Path) -> str:
    """What the page knows of earlier runs."""
    return json.dumps(toys.packed_content(page.read_bytes())["data"])


def test_a_report_that_fails_leaves_the_history_alone(tmp_path: Path) -> None:
    earlier = tmp_path / "history.jsonl"
    earlier.write_text(ROWS[0])
    (tmp_path / "results").mkdir()
    with pytest.raises(AcceptanceError):
        html.build(
            tmp_path / "results",
            tmp_path / "index.html",
            environment={},
            cache=tmp_path,
            report_progress=print,
        )
    assert earlier.read_text() == ROWS[0]
