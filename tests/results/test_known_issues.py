"""The list of known issues: whose, from which version on, and what is said when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import SettingsError
from support.results.known_issues import KnownIssues

ENTRY = """
[[deviation]]
target = "mistralrs"
versions = "{versions}"
scenarios = ["Model list is complete", "Unknown model is refused"]
why = "answers 500"
source = "https://example.org/issues/7"
"""


def load(folder: Path, text: str) -> KnownIssues:
    file = folder / "known_issues.toml"
    file.write_text(text)
    return KnownIssues.load(file)


@pytest.mark.parametrize(
    ("versions", "version", "listed"),
    [
        ("==0.8.1", "0.8.1", True),
        ("==0.8.1", "0.8.2", False),
        ("<0.9", "0.8.4", True),
        ("<0.9", "0.9.0", False),
        (">=0.8,<0.9.3", "0.9.2", True),
        (">=0.8,<0.9.3", "0.10.0", False),
        (">=0.9.0rc1", "0.9.0-rc.1", True),
        (">=0.8", "0.9.0-rc.1", True),
        ("", "1.2.3", True),
        ("", "-", False),
        ("==0.8.1", "unknown", False),
    ],
)
def test_an_entry_holds_for_its_versions(tmp_path: Path, versions: str, version: str, listed: bool) -> None:
    deviations = load(tmp_path, ENTRY.format(versions=versions))
    entry = deviations.find("mistralrs", version, "Unknown model is refused")
    assert (entry is not None) is listed


def test_an_entry_is_found_by_program_and_full_title(tmp_path: Path) -> None:
    deviations = load(tmp_path, ENTRY.format(versions="==0.8.1"))
    entry = deviations.find("mistralrs", "0.8.1", "Model list is complete")
    assert entry is not None
    assert (entry.why, entry.source) == ("answers 500", "https://example.org/issues/7")
    assert deviations.find("mistralrs-server", "0.8.1", "Model list is complete") is None
    assert deviations.find("mistralrs", "0.8.1", "Model list") is None


def test_an_entry_may_fail_by_chance(tmp_path: Path) -> None:
    always, by_chance = (
        load(tmp_path, ENTRY.format(versions="") + more).entries[0] for more in ("", "sometimes = true\n")
    )
    assert not always.sometimes
    assert by_chance.sometimes


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert KnownIssues.load(tmp_path / "known_issues.toml").entries == ()
    assert load(tmp_path, "").entries == ()


GOOD = ENTRY.format(versions="==0.8.1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD + 'since = "today"\n', "an entry has the keys"),
        (GOOD.replace('why = "answers 500"\n', ""), "an entry has the keys"),
        (GOOD.replace("[[deviation]]", "[[deviations]]"), "entries are [[deviation]], not ['deviations']"),
        (GOOD.replace("[[deviation]]", "[deviation]"), "an entry has the keys"),
        (GOOD.replace("==0.8.1", "0.8.1"), "0.8.1"),
        (GOOD.replace("==0.8.1", "==new"), "==new"),
        (
            GOOD.replace('["Model list is complete", "Unknown model is refused"]', '"Model list"'),
            "list of titles",
        ),
        (GOOD + "sometimes = 1\n", "`sometimes` is true or false"),
        ("deviation = 1\n", "cannot be read"),
        ("deviation = [1]\n", "cannot be read"),
        ("[[deviation]\n", "cannot be read"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert len(said.splitlines()) == 1, f"more than one line: {said!r}"
    assert reason in said
    assert "known_issues.toml: cannot be read (" in said
    assert said.endswith("; correct the entry")


def test_a_folder_where_the_list_should_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        KnownIssues.load(tmp_path)
