"""`accepted.toml`: what it takes, and one line for what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from support.errors import SettingsError
from support.results.accepted_issues import AcceptedIssue, AcceptedIssues, failure_in
from support.results.known_issues import KnownIssues

ENTRY = AcceptedIssue("toy.a", 'we "never" use it \\ ü', "ops", date(2027, 3, 31))
GOOD = 'id = "toy.a"\nreason = "r"\nowner = "o"\n'


def test_an_added_entry_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "accepted.toml"
    other = AcceptedIssue("It is a title", "r", "o", date(2027, 1, 1))
    with_failure = AcceptedIssue("toy.b", "r", "o", date(2027, 1, 1), 'got "ü"')
    for entry in (ENTRY, other, with_failure):
        file.write_text(AcceptedIssues.load(file).added(entry), encoding="utf-8")
    assert AcceptedIssues.load(file).entries == (ENTRY, other, with_failure)
    with pytest.raises(SettingsError, match=r"'toy\.a' is accepted already; change its entry$"):
        AcceptedIssues.load(file).added(ENTRY)


ENTRY_TEXT = """\
[[accepted]]
id = "toy.a"
reason = "we \\"never\\" use it \\\\ ü"
owner = "ops"
until = 2027-03-31
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ENTRY_TEXT),
        ("", ENTRY_TEXT),
        ("\ufeff# ours ü\n\n\n", f"# ours ü\n\n{ENTRY_TEXT}"),
        (ENTRY_TEXT.replace("toy.a", "toy.b"), f"{ENTRY_TEXT.replace('toy.a', 'toy.b')}\n{ENTRY_TEXT}"),
    ],
)
def test_an_entry_is_added_at_the_end_of_the_file(tmp_path: Path, before: str | None, after: str) -> None:
    file = tmp_path / "accepted.toml"
    if before is not None:
        file.write_text(before, encoding="utf-8")
    assert AcceptedIssues.load(file).added(ENTRY) == after


def test_a_failure_stands_in_the_entry_and_in_no_other() -> None:
    with_failure = replace(ENTRY, failure='got "ü"')
    failure = 'failure = "got \\"ü\\""\n'
    assert with_failure.to_toml() == ENTRY_TEXT.replace("until", f"{failure}until")


# `known`: the failure is that of a known issue.
@pytest.mark.parametrize(
    ("accepted", "failure", "known", "covered"),
    [
        ("known issue", "got 500", True, True),
        ("known issue", "got 500", False, False),
        ("known issue", "known issue", False, False),
        ("", "got 500", False, True),
        ("", "got 500", True, True),
        ("", "a new failure instead of the known issue", False, False),
        ("", "a new failure instead of the known issue", True, True),
        ("got 500: no layer 3", "got 500: no layer 4", False, True),
        ("got 500: no layer 3", "got 501: no layer 3", False, False),
        ("got 500: no layer 3", "\n  got 500: no layer 3\nmore", True, True),
        (f"{'x' * 299}…", "x" * 301, False, True),
        (f"{'x' * 299}…", "x" * 300, False, False),
    ],
)
def test_an_entry_covers_the_failure_that_was_accepted(
    accepted: str, failure: str, *, known: bool, covered: bool
) -> None:
    assert replace(ENTRY, failure=accepted).covers(failure, known=known) is covered


def test_a_text_is_one_line_without_blanks_around_it() -> None:
    entry = AcceptedIssue.of(" toy.a\n", "\tr ", " o ", ENTRY.until, " got 500 ")
    assert entry == AcceptedIssue("toy.a", "r", "o", ENTRY.until, "got 500")
    assert AcceptedIssue.of("toy.a", "r", "o", ENTRY.until).failure == ""
    assert str(entry) == "accepted by o until 2027-03-31: r"
    texts = {"id": "toy.a", "reason": "r", "owner": "o", "failure": "got 500"}
    for name in texts:
        for wrong in ("", " ", "a\nb", "a\x1bb"):
            with pytest.raises(ValueError) as caught:
                AcceptedIssue.of(**{**texts, name: wrong}, until=ENTRY.until)
            assert str(caught.value) == f"`{name}` is one line of text, not {wrong.strip()!r}"


def test_a_file_is_read_with_its_mark_and_its_days_as_text(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(f'\ufeff[[accepted]]\n{GOOD}until = "2027-01-01"\n', encoding="utf-8")
    accepted = AcceptedIssues.load(file)
    entry = AcceptedIssue("toy.a", "r", "o", date(2027, 1, 1))
    assert (accepted.entries, accepted.file) == ((entry,), file)
    assert accepted.find("toy.a") is accepted.entries[0]
    assert accepted.find("toy") is None
    file.write_text("", encoding="utf-8")
    assert AcceptedIssues.load(file).entries == ()
    assert AcceptedIssues.load(tmp_path / "none.toml").file == tmp_path / "none.toml"


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
@pytest.mark.parametrize("load", [AcceptedIssues.load, KnownIssues.load])
def test_a_named_pipe_is_an_error_and_is_not_waited_for(
    tmp_path: Path, load: Callable[[Path], object]
) -> None:
    os.mkfifo(tmp_path / "issues.toml")
    with pytest.raises(SettingsError, match=r"issues\.toml: cannot be read \(it is no regular file\)"):
        load(tmp_path / "issues.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[accepted]]\n" + GOOD, "has the keys id, reason, owner, until (missing: until)"),
        (f"[[accepted]]\n{GOOD}until = 2027-13-01\n", "cannot be read"),
        (f'[[accepted]]\n{GOOD}until = "soon"\n', "`until` is a day such as 2027-03-31, not 'soon'"),
        (f"[[accepted]]\n{GOOD}until = 2027-01-01T00:00:00\n", "`until` is a day"),
        (
            f"[[accepted]]\n{GOOD.replace(chr(34) + 'r' + chr(34), chr(34) * 2)}until = 2027-01-01\n",
            "`reason` is one",
        ),
        (f'[[accepted]]\n{GOOD}until = 2027-01-01\nfailure = ""\n', "`failure` is one line of text"),
        (f"[[accepted]]\n{GOOD}until = 2027-01-01\nfailure = 3\n", "`failure` is one line of text"),
        ("[[acepted]]\n", "entries are [[accepted]]"),
        ("accepted = 3\n", "entries are [[accepted]], not 3"),
        ("accepted = 3\n", "cannot be read"),
        ("= =", "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        AcceptedIssues.load(file)
    assert message in str(caught.value) and str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x = '\xff'", "it is no text in UTF-8: byte 0xff in line 1); save it as UTF-8"),
        (
            b"[[accepted]]\nid = 'a'\nfailure = 'b'\n",
            "an entry has the keys id, reason, owner, until (missing: reason, owner, until)); "
            "correct the entry",
        ),
        (
            b"[[accepted]]\nid = 'a'\nreason = 'r'\nowner = 'o'\nuntill = 2027-01-01",
            "an entry has the keys id, reason, owner, until (missing: until; unknown: untill)); "
            "correct the entry",
        ),
        (
            b"[[accepted]]\nid = 'a'\nreason = 'r'\nowner = 'o'\nuntil = 2027-01-01\nby = 'b'\nsince = 'c'",
            "an entry has the keys id, reason, owner, until (unknown: by, since)); correct the entry",
        ),
        (b"accepted = [1]", "an entry has the keys id, reason, owner, until, not 1); correct the entry"),
        (b"accepted = 3", "entries are [[accepted]], not 3); correct the entry"),
        (b"b = 1\na = 2", "entries are [[accepted]], not a, b); correct the entry"),
        (
            b"[[accepted]]\nid = 1\nreason = 'r'\nowner = 'o'\nuntil = 2027-01-01",
            "`id` is one line of text, not 1); correct the entry",
        ),
        (
            b"[[accepted]]\nid = 'a'\nreason = 'r'\nowner = 'o'\nuntil = 3",
            "`until` is a day such as 2027-03-31, not 3); correct the entry",
        ),
    ],
)
def test_a_wrong_file_is_described_with_its_remedy(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "accepted.toml"
    file.write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        AcceptedIssues.load(file)
    assert str(caught.value) == f"{file}: cannot be read ({message}"


def test_the_failure_of_an_entry_is_that_of_the_last_run() -> None:
    tests = [
        {"name": "toy.a", "verdict": "known_issue", "error": "got 1"},
        {"name": "toy.b", "verdict": "failed", "error": "\nstatus:\n  got 500\nmore"},
        {"name": "toy.c", "verdict": "passed"},
        {"name": "toy.d", "verdict": "broken", "error": "x" * 301},
    ]
    found = [failure_in(tests, name) for name in ("toy.a", "toy.b", "toy.c", "toy.d", "toy.e")]
    assert found == ["known issue", "status: got 500", None, f"{'x' * 299}…", None]
    assert failure_in([], "toy.a") is None


def test_an_entry_counts_up_to_its_last_day() -> None:
    accepted = AcceptedIssues([ENTRY])
    accepted.require_current(ENTRY.until)
    with pytest.raises(SettingsError) as caught:
        accepted.require_current(date(2027, 4, 1))
    assert str(caught.value) == (
        "accepted.toml: 'toy.a' was accepted by ops until 2027-03-31, which is over; "
        "remove the entry or renew it"
    )


def test_an_unknown_id_and_one_that_is_accepted_twice_are_refused() -> None:
    AcceptedIssues([ENTRY]).require_existing({"toy.a"})
    with pytest.raises(SettingsError) as caught:
        AcceptedIssues([ENTRY]).require_existing({"toy.ab"})
    assert str(caught.value) == (
        "accepted.toml: there is no check or scenario 'toy.a'; close matches: toy.ab; correct the entry"
    )
    with pytest.raises(SettingsError) as caught:
        AcceptedIssues([ENTRY]).require_existing({"toy.ab"}, {"toy.a"})
    assert str(caught.value) == (
        "accepted.toml: the scenario 'toy.a' runs checks: give the id of the check that fails; "
        "correct the entry"
    )
    AcceptedIssues([ENTRY, replace(ENTRY, id="toy.b")]).require_current(date(2026, 1, 1))
    with pytest.raises(SettingsError, match=r"'toy\.a' is accepted twice; remove one entry$"):
        AcceptedIssues([ENTRY, ENTRY]).require_current(date(2026, 1, 1))


def test_a_missing_file_is_an_error_where_a_setting_names_it(tmp_path: Path) -> None:
    file = tmp_path / "acepted.toml"
    assert AcceptedIssues.load(file).entries == ()
    with pytest.raises(SettingsError) as caught:
        AcceptedIssues.load(file, "-D acceptance_accepted")
    assert str(caught.value) == (
        f"setting acceptance_accepted = {file} (from -D acceptance_accepted) is wrong: "
        "there is no such file; `acceptance accept` writes one"
    )
