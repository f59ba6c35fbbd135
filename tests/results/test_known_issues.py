"""The list of known issues: whose, from which version on, and what is said when it cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from support.errors import SettingsError
from support.results.known_issues import NOT_LISTED, KnownIssues, Listing

ENTRY = """
[[known_issue]]
target = "mistralrs"
versions = "{versions}"
checks = ["openai.chat.model.unknown"]
scenarios = ["Model list is complete", "Unknown model is refused"]
reason = "answers 500"
source = "https://example.org/issues/7"
failure = [
    {{ layer = "status", pattern = "got 500" }},
    {{ step = "it is refused", pattern = "500 instead of 404" }},
]
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
def test_an_entry_holds_for_its_versions(
    tmp_path: Path, versions: str, version: str, *, listed: bool
) -> None:
    issues = load(tmp_path, ENTRY.format(versions=versions))
    assert bool(issues.find([("mistralrs", version)], "Unknown model is refused").entries) is listed


def test_the_lowest_version_is_written_first(tmp_path: Path) -> None:
    (entry, *_) = load(tmp_path, ENTRY.format(versions="<=0.10.0,>=0.9.1")).entries
    assert str(entry).startswith("mistralrs >=0.9.1,<=0.10.0 (")


def test_an_entry_is_found_by_program_and_full_title(tmp_path: Path) -> None:
    issues = load(tmp_path, ENTRY.format(versions="==0.8.1"))
    listing = issues.find([("mistralrs", "0.8.1")], "Model list is complete")
    assert (listing.reason, listing.source) == ("answers 500", "https://example.org/issues/7")
    assert issues.find([("mistralrs-server", "0.8.1")], "Model list is complete") == NOT_LISTED
    assert issues.find([("mistralrs", "0.8.1")], "Model list") == NOT_LISTED


def test_a_check_is_found_by_its_id_on_each_program(tmp_path: Path) -> None:
    issues = load(tmp_path, ENTRY.format(versions="==0.8.1"))
    programs = [("mistralrs-gateway", "0.17.4"), ("mistralrs", "0.8.1")]
    (entry,) = issues.find(programs, "openai.chat.model.unknown").entries
    assert entry.check == "openai.chat.model.unknown"
    assert [(failure.where, failure.pattern.pattern) for failure in entry.failures] == [("status", "got 500")]
    assert issues.find(programs[:1], "openai.chat.model.unknown") == NOT_LISTED
    assert issues.find(programs, "openai.chat.model") == NOT_LISTED
    assert issues.find([("mistralrs", "0.8.1")], "") == NOT_LISTED


CHECKS = {"openai.chat.model.unknown", "openai.chat.body.empty"}
TITLES = {"Model list is complete", "Unknown model is refused"}


@pytest.mark.parametrize(
    ("checks", "titles", "groups", "message"),
    [
        (
            {"openai.chat.model.known"},
            TITLES,
            set(),
            "there is no check 'openai.chat.model.unknown'; close matches: openai.chat.model.known; "
            "correct the entry",
        ),
        (
            CHECKS,
            {"Model list is full"},
            set(),
            "there is no scenario 'Model list is complete'; close matches: Model list is full; "
            "correct the entry",
        ),
        (
            CHECKS,
            TITLES,
            TITLES,
            "the scenario 'Model list is complete' runs a group of checks; "
            "list the ids of its checks instead",
        ),
    ],
)
def test_an_entry_names_what_exists(
    tmp_path: Path, checks: set[str], titles: set[str], groups: set[str], message: str
) -> None:
    issues = load(tmp_path, ENTRY.format(versions="==0.8.1"))
    issues.require_existing(CHECKS, TITLES, set())
    with pytest.raises(SettingsError) as caught:
        issues.require_existing(checks, titles, groups)
    assert str(caught.value) == f"known_issues.toml: {message}"


def test_an_entry_may_fail_by_chance(tmp_path: Path) -> None:
    always, by_chance = (
        load(tmp_path, ENTRY.format(versions="") + more).entries[0] for more in ("", "flaky = true\n")
    )
    assert not always.flaky
    assert by_chance.flaky


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert KnownIssues.load(tmp_path / "known_issues.toml").entries == ()
    assert load(tmp_path, "").entries == ()


GOOD = ENTRY.format(versions="==0.8.1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GOOD + 'since = "today"\n', "an entry has the keys"),
        (GOOD.replace('reason = "answers 500"\n', ""), "an entry has the keys"),
        (GOOD.replace("scenarios =", "titles =").replace("checks =", "ids ="), "an entry has the keys"),
        (GOOD.replace('["openai.chat.model.unknown"]', "[1]"), "list of ids"),
        (
            GOOD.replace("[[known_issue]]", "[[known_issues]]"),
            "entries are [[known_issue]], not known_issues",
        ),
        (GOOD.replace("[[known_issue]]", "[known_issue]"), "an entry has the keys"),
        (GOOD.replace("==0.8.1", "0.8.1"), "0.8.1"),
        (GOOD.replace("==0.8.1", "==new"), "==new"),
        (
            GOOD.replace('["Model list is complete", "Unknown model is refused"]', '"Model list"'),
            "list of titles",
        ),
        (GOOD + "flaky = 1\n", "`flaky` is true or false"),
        (GOOD.partition("failure =")[0], "an entry has the keys"),
        (GOOD.replace("got 500", "(got 500"), "'(got 500' is not a regular expression"),
        (GOOD.replace("got 500", " "), "texts that are not empty"),
        (GOOD.replace("got 500", ".*"), "'.*' also matches failures of any other kind"),
        (GOOD.replace("got 500", "^.+$"), "also matches failures of any other kind"),
        (GOOD.replace("got 500", "(got 500)?"), "also matches failures of any other kind"),
        (GOOD.replace("got 500", "(?s)expected .*got"), "also matches failures of any other kind"),
        (GOOD.replace('"status"', '"state"'), "no layer 'state'; close matches: status"),
        (GOOD.replace("layer =", "layers ="), "`failure` is { layer = ..., pattern = ... } or { step = "),
        (GOOD.replace('pattern = "got 500"', "pattern = 500"), "texts that are not empty"),
        (GOOD.replace('{ layer = "status", pattern = "got 500" },', ""), "has no entry with `layer`"),
        (GOOD.replace('{ layer = "status", pattern = "got 500" },', '"got 500",'), "not 'got 500'"),
        ("known_issue = 1\n", "entries are [[known_issue]], not 1"),
        ("known_issue = [1]\n", "cannot be read"),
        ("[[known_issue]\n", "cannot be read"),
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


KEYS = "an entry has the keys failure, reason, source, target, versions and `checks` or `scenarios`, not "
ONE_FAILURE = "`failure` is { layer = ..., pattern = ... } or { step = ..., pattern = ... } with texts "
ROW = '{ layer = "status", pattern = "got 500" }'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("b = 1\na = 2\n", "entries are [[known_issue]], not a, b"),
        ("known_issue = 1\n", "entries are [[known_issue]], not 1"),
        ("[[known_issue]]\ntarget = 'a'\nchecks = []\n", f"{KEYS}checks, target"),
        (
            GOOD.replace("checks =", "# ").replace("scenarios =", "# "),
            f"{KEYS}failure, reason, source, target, versions",
        ),
        (GOOD + "flaky = 'no'\n", "`flaky` is true or false"),
        (GOOD.replace('["openai.chat.model.unknown"]', '"a"'), "`checks` is a list of ids"),
        (GOOD.replace('"Model list is complete"', "1"), "`scenarios` is a list of titles"),
        (
            GOOD.replace(ROW, "7"),
            f"{ONE_FAILURE}that are not empty, or a list, not 7",
        ),
        (
            GOOD.replace('layer = "status"', 'layer = " "'),
            f"{ONE_FAILURE}that are not empty, or a list, not {{'layer': ' ', 'pattern': 'got 500'}}",
        ),
        (
            GOOD.replace('layer = "status"', 'layer = "status", step = "b"'),
            f"{ONE_FAILURE}that are not empty, or a list, not "
            "{'layer': 'status', 'step': 'b', 'pattern': 'got 500'}",
        ),
        (
            GOOD.replace('checks = ["openai.chat.model.unknown"]\n', ""),
            "`failure` is { step = ..., pattern = ... } with texts that are not empty, or a list, not "
            "{'layer': 'status', 'pattern': 'got 500'}",
        ),
        (
            GOOD.replace('{ step = "it is refused", pattern = "500 instead of 404" },', ""),
            "`failure` has no entry with `step`",
        ),
        (GOOD.replace('"status"', '"state"'), "there is no layer 'state'; close matches: status"),
        (
            GOOD.replace("got 500", "got (500"),
            "the pattern 'got (500' is not a regular expression: missing ), unterminated subpattern at "
            "position 4",
        ),
        (
            GOOD.replace("got 500", "[0-9]"),
            "the pattern '[0-9]' also matches failures of any other kind; give more of the text",
        ),
    ],
)
def test_the_message_for_a_wrong_list_has_what_is_right(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path / 'known_issues.toml'}: cannot be read ({problem}); correct the entry"
    )


def test_a_list_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "known_issues.toml").write_bytes(b"# \xff\n")
    with pytest.raises(SettingsError, match=r"no text in UTF-8: byte 0xff in line 1\); save it as UTF-8$"):
        KnownIssues.load(tmp_path / "known_issues.toml")


def test_a_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "known_issues.toml"
    file.write_text(GOOD, encoding="utf-8-sig")
    assert KnownIssues.load(file).entries == load(tmp_path, GOOD).entries


def test_the_entry_of_a_scenario_alone_has_the_failures_of_its_steps(tmp_path: Path) -> None:
    text = GOOD.replace('checks = ["openai.chat.model.unknown"]\n', "").replace(f"{ROW},", "")
    first, second = load(tmp_path, text).entries
    assert (first.scenario, second.scenario) == ("Model list is complete", "Unknown model is refused")
    assert (first.check, first.flaky, str(first.versions)) == ("", False, "==0.8.1")
    assert [str(failure) for failure in first.failures] == ["it is refused: /500 instead of 404/"]
    assert str(first) == "mistralrs ==0.8.1 (answers 500; https://example.org/issues/7)"
    assert str(replace(first, versions=SpecifierSet())) == (
        "mistralrs (answers 500; https://example.org/issues/7)"
    )


def test_a_list_that_is_not_applied_is_named_all_the_same(tmp_path: Path) -> None:
    issues = KnownIssues(load(tmp_path, GOOD).entries, applied=False)
    title, failures = "Unknown model is refused", [("it is refused", "500 instead of 404")]
    assert issues.find([("mistralrs", "0.8.1")], title) == NOT_LISTED
    assert issues.known_elsewhere(title, failures).startswith("mistralrs 0.8.1 (answers 500; ")


EARLY = "a stream begins with status 200"
STREAM = f"""
[[known_issue]]
target = "mistralrs"
versions = "==0.8.1"
checks = ["openai.chat.prompt.too_long_streamed"]
failure = {{ layer = "status", pattern = "got 200: 'data: Prompt sequence" }}
reason = "{EARLY}"
source = "docs/x.md"
"""
SECOND = (
    STREAM.replace('"status"', '"headers"')
    .replace("got 200: 'data: Prompt sequence", "^x-id: ")
    .replace(EARLY, "there is no id")
)
LISTED_FAILURE = ("status", "expected 400, got 200: 'data: Prompt sequence length is greater'")
ID_FAILURE = ("headers", "x-id: expected matches '.', got None")


def listing(folder: Path, text: str) -> Listing:
    return load(folder, text).find([("mistralrs", "0.8.1")], "openai.chat.prompt.too_long_streamed")


def test_a_failure_is_known_in_its_layer_and_with_its_text(tmp_path: Path) -> None:
    found = listing(tmp_path, STREAM)
    assert not found.difference([LISTED_FAILURE])
    assert found.covering([LISTED_FAILURE]).reason == EARLY
    for other in (
        ("transport", LISTED_FAILURE[1]),
        ("status", "expected 400, got 500: 'Prompt sequence length is greater'"),
        ("transport", "the server did not finish within 30 s"),
        ("server", "it died"),
    ):
        assert found.difference([other]) == (
            f"a new failure instead of the known issue of mistralrs ==0.8.1 ({EARLY}; docs/x.md): "
            f"{other[0]}: {other[1]}\nexpected failure: status: /got 200: 'data: Prompt sequence/"
        )


def test_every_failure_has_to_be_listed(tmp_path: Path) -> None:
    both = [LISTED_FAILURE, ID_FAILURE]
    new = listing(tmp_path, STREAM).difference(both)
    assert new.startswith("a new failure in addition to the known issue of mistralrs ==0.8.1")
    assert f"(a stream begins with status 200; docs/x.md): headers: {ID_FAILURE[1]}\n" in new
    together = listing(tmp_path, STREAM + SECOND)
    assert not together.difference(both)
    assert together.covering(both).reason == f"{EARLY}; there is no id"
    assert together.covering([ID_FAILURE]).reason == "there is no id"
    assert together.difference([]), "no failure is no listed failure"


def test_of_many_new_failures_some_are_shown(tmp_path: Path) -> None:
    new = [("status", f"got {number}") for number in range(9)]
    assert listing(tmp_path, STREAM).difference(new).splitlines()[1:4] == [
        "status: got 1",
        "status: got 2",
        "... and 6 more",
    ]


@pytest.mark.parametrize(
    ("count", "last"),
    [(3, "status: got 502"), (4, "... and 1 more")],
)
def test_three_new_failures_are_shown(tmp_path: Path, count: int, last: str) -> None:
    new = [("status", f"got 50{number}") for number in range(count)]
    found = listing(tmp_path, STREAM.replace("got 200", "got 400")).difference(new)
    assert found.splitlines()[-2:] == [last, "expected failure: status: /got 400: 'data: Prompt sequence/"]


def test_a_new_failure_is_shown_with_all_that_is_listed(tmp_path: Path) -> None:
    found = listing(tmp_path, STREAM + SECOND)
    assert found.difference([("", "it died"), LISTED_FAILURE]) == (
        f"a new failure in addition to the known issue of mistralrs ==0.8.1 ({EARLY}; docs/x.md); "
        "mistralrs ==0.8.1 (there is no id; docs/x.md): it died\n"
        "expected failure: status: /got 200: 'data: Prompt sequence/ or headers: /^x-id: /"
    )
    assert (found.reason, found.source) == (f"{EARLY}; there is no id", "docs/x.md")
    assert replace(found, entries=(found.entries[0], replace(found.entries[1], source="b"))).source == (
        "docs/x.md, b"
    )
    twice = load(tmp_path, STREAM).find([("mistralrs", "0.8.1")] * 2, found.entries[0].check)
    assert len(twice.entries) == 1


def test_what_passes_contradicts_the_first_entry_that_does_not_fail_by_chance(tmp_path: Path) -> None:
    first, second = listing(tmp_path, STREAM + SECOND).entries
    by_chance = replace(first, flaky=True)
    assert Listing((by_chance, second)).contradiction == (
        "listed in known_issues.toml as a known issue of mistralrs ==0.8.1 (there is no id), but it passed; "
        "remove the entry"
    )
    assert Listing((by_chance,)).contradiction == NOT_LISTED.contradiction == ""


def test_a_folder_where_the_list_should_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        KnownIssues.load(tmp_path)


def test_a_failure_is_known_in_other_versions(tmp_path: Path) -> None:
    issues = load(
        tmp_path,
        ENTRY.format(versions="==0.8.1")
        + ENTRY.format(versions=">=0.9").replace('"mistralrs"', '"mistralrs-reference"'),
    )
    listed = ("status", "expected 404, got 500")
    check = "openai.chat.model.unknown"
    assert issues.known_elsewhere(check, [listed]) == (
        "mistralrs 0.8.1, mistralrs-reference >=0.9 (answers 500; https://example.org/issues/7)"
    )
    assert issues.known_elsewhere(check, [listed, ("status", "got 400")]) == ""
    assert issues.known_elsewhere(check, []) == ""
    assert issues.known_elsewhere("openai.chat.n.usage", [listed]) == ""
