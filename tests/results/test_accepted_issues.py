"""`accepted.toml`: what it takes, and one line for what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
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
    with pytest.raises(SettingsError, match="accepted already"):
        AcceptedIssues.load(file).added(ENTRY)


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
        ("[[accepted]]\n" + GOOD, "has the keys id, reason, owner, until, not"),
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


def test_the_failure_of_an_entry_is_that_of_the_last_run() -> None:
    tests = [
        {"name": "toy.a", "verdict": "known_issue", "error": "got 1"},
        {"name": "toy.b", "verdict": "failed", "error": "\nstatus:\n  got 500\nmore"},
        {"name": "toy.c", "verdict": "passed"},
    ]
    found = [failure_in(tests, name) for name in ("toy.a", "toy.b", "toy.c", "toy.d")]
    assert found == ["known issue", "status: got 500", None, None]
    assert failure_in([], "toy.a") is None


def test_an_entry_counts_up_to_its_last_day() -> None:
    accepted = AcceptedIssues([ENTRY])
    accepted.require_current(ENTRY.until)
    with pytest.raises(SettingsError, match="until 2027-03-31, which is over; remove the entry or renew it"):
        accepted.require_current(date(2027, 4, 1))


def test_an_unknown_id_and_one_that_is_accepted_twice_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"close matches: toy\.ab"):
        AcceptedIssues([ENTRY]).require_existing({"toy.ab"})
    with pytest.raises(SettingsError, match="accepted twice"):
        AcceptedIssues([ENTRY, ENTRY]).require_current(date(2026, 1, 1))


def test_a_missing_file_is_an_error_where_a_setting_names_it(tmp_path: Path) -> None:
    file = tmp_path / "acepted.toml"
    assert AcceptedIssues.load(file).entries == ()
    with pytest.raises(SettingsError, match=r"acepted\.toml \(from -D acceptance_accepted\) .* no such file"):
        AcceptedIssues.load(file, "-D acceptance_accepted")
