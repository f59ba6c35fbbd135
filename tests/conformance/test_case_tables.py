"""Tables of cases: good rows become requests, each typing error is one line that names its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.conformance import case_table
from support.conformance.api import API_NAMES, find_api
from support.conformance.case_table import Case, CaseError, read_table
from support.conformance.matchers import Expectation
from support.conformance.request_builder import RequestSpec

GOOD = """
["openai.toy.answer"]
title = "it answers"
group = "toys"
level = "must"
request = { path = "/v1/x", json = { model = "{model}", text = "{kept} {model}" } }
status = [200, 201]
expect = [{ path = "choices[0].text", is = "yes" }]
headers = { "Content-Type" = "application/json", "x-request-id" = { matches = "^req_" } }
source = "somewhere"
"""


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "toy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_row_becomes_a_case(tmp_path: Path) -> None:
    case = read_table("openai", table(tmp_path, GOOD), Case)["openai.toy.answer"]
    assert (case.api, case.title, case.route, case.status) == (
        "openai",
        "it answers",
        "POST /v1/x",
        [200, 201],
    )
    assert not case.expects_error and not case.rechecks_health
    request = case.request.build({"model": "tiny"})
    assert json.loads(request.body) == {"model": "tiny", "text": "{kept} tiny"}
    assert request.headers == {"Content-Type": "application/json"}
    assert set(case.headers) == {"content-type", "x-request-id"}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (("status = [200, 201]", ""), ("status", "Field required")),
        (("status = [200, 201]", "status = 20"), ("100 to 599",)),
        (("status = [200, 201]", "staus = 200\nstatus = 200"), ("staus", "Extra inputs")),
        (("is = ", "ist = "), ("expect.0", "Extra inputs")),
        ((', is = "yes"', ""), ("expect.0", "matcher")),
        (("choices[0].text", "choices[0"), ("expect.0", "JMESPath")),
        (("matches = ", "contains = 1, matches = "), ()),
        (('"^req_"', '"("'), ("no regular expression",)),
        (('is = "yes"', 'counts = { "(" = [0, 1] }'), ("no regular expression",)),
        (('path = "/v1/x"', 'path = "v1/x"'), ("request.path",)),
        (('path = "/v1/x"', 'path = "/v1/x", body = "x"'), ("one of json, body",)),
        (('path = "/v1/x"', 'path = "/v1/x", method = "FETCH"'), ("request.method",)),
        (("json = { model", 'body_hex = "zz" } #'), ("request.body_hex", "hexadecimal")),
        (('source = "somewhere"', ""), ("source", "Field required")),
        (('source = "somewhere"', 'source = "x y"\nkind = "xml"'), ("kind",)),
        (('source = "somewhere"', 'source = "x y"\nkind = "empty"'), ("nothing to expect",)),
        (('source = "somewhere"', 'source = "x y"\nrepetition = { change = {} }'), ("must be equal",)),
        (('["openai.toy.answer"]', "[[it]]"), ("case 'it'", "a case is a table")),
        (('["openai.toy.answer"]', "["), ("cannot be read",)),
        (('["openai.toy.answer"]', '["openai.toy"]'), ("id", "pattern")),
        (('["openai.toy.answer"]', '["openai.Toy.answer"]'), ("id", "pattern")),
        (('["openai.toy.answer"]', '["ollama.toy.answer"]'), ("begins with `openai.`",)),
        (('level = "must"', ""), ("level", "Field required")),
        (('level = "must"', 'level = "may"'), ("level", "'must' or 'should'")),
        (('group = "toys"', ""), ("group", "Field required")),
        (('title = "it answers"', ""), ("title", "Field required")),
    ],
)
def test_a_typing_error_is_one_clear_line(
    tmp_path: Path, change: tuple[str, str], names: tuple[str, ...]
) -> None:
    file = table(tmp_path, GOOD.replace(*change))
    if not names:
        assert read_table("openai", file, Case)
        return
    with pytest.raises(CaseError) as error:
        read_table("openai", file, Case)
    said = str(error.value)
    assert said.startswith("toy.toml: ") and "\n" not in said
    assert not [name for name in names if name not in said], said


DEFAULTS = """
[defaults]
group = "toys"
level = "must"
status = 200
source = "somewhere"
request = { path = "/v1/x", json = { model = "{model}", text = "a", options = { a = 1, b = 2 } } }

["openai.toy.own"]
title = "its own fields win"
status = 400
request.json.text = "b"
request.json.options.b = 3

["openai.toy.without"]
title = "a field is left out"
request.without = ["text"]

["openai.toy.without_nested"]
title = "a field of a table is left out"
request.without = ["options.b", "options.nothing", "text.nothing"]

["openai.toy.raw"]
title = "a raw body stands instead"
request.body = "x"
"""


def test_rows_share_defaults(tmp_path: Path) -> None:
    rows = read_table("openai", table(tmp_path, DEFAULTS), Case)
    bodies = [row.request.build({"model": "tiny"}).body for row in rows.values()]
    assert json.loads(bodies[0]) == {"model": "tiny", "text": "b", "options": {"a": 1, "b": 3}}
    assert json.loads(bodies[1]) == {"model": "tiny", "options": {"a": 1, "b": 2}}
    assert json.loads(bodies[2]) == {"model": "tiny", "text": "a", "options": {"a": 1}}
    assert bodies[3] == b"x"
    assert [row.status for row in rows.values()] == [[400], [200], [200], [200]]


def test_a_change_is_joined_with_the_request(tmp_path: Path) -> None:
    row = read_table("openai", table(tmp_path, DEFAULTS), Case)["openai.toy.without_nested"]
    for change, options in (({"options": {"a": 3}}, {"a": 3}), ({}, {"a": 1})):
        body = row.request.build({"model": "tiny"}, change).body
        assert json.loads(body)["options"] == options


def test_counts_that_are_wrong_are_told() -> None:
    said = Expectation.model_validate({"path": "value", "counts": {"a": (0, 1)}}).check({"value": "aaa"})
    assert said is not None and "got {'a': 3} in 'aaa'" in said


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (GOOD, "another table has this id"),
        (GOOD.replace("openai.toy.answer", "openai.toy.other"), "'openai.toy.answer' has the same title"),
    ],
)
def test_ids_and_titles_are_unique(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, message: str
) -> None:
    (tmp_path / "openai").mkdir()
    (tmp_path / "openai" / "a.toml").write_text(GOOD)
    (tmp_path / "openai" / "b.toml").write_text(other)
    monkeypatch.setattr(case_table, "CASE_FOLDER", tmp_path)
    with pytest.raises(CaseError, match=message):
        case_table.checks_of.__wrapped__("openai")


def test_an_unknown_id_has_close_matches() -> None:
    with pytest.raises(
        CaseError, match=r"no case .openai\.chat\.answer\.not_emty.*openai\.chat\.answer\.not_empty"
    ):
        case_table.get_case("openai", "openai.chat.answer.not_emty")


def test_raw_bodies_are_sent_to_the_byte() -> None:
    row = RequestSpec.model_validate({"path": "/x", "body": '{"a": {model}', "content_type": ""})
    request = row.build({"model": "tiny"})
    assert (request.body, request.headers) == (b'{"a": tiny', {})
    assert RequestSpec.model_validate({"path": "/x", "body_hex": "ff 00"}).build({}).body == b"\xff\x00"
    assert RequestSpec.model_validate({"path": "/x", "method": "GET"}).build({}).headers == {}


def test_repetitions_are_expanded_and_other_braces_stay() -> None:
    row = RequestSpec.model_validate(
        {"path": "/x", "body": '{"{model}": {3*[}{3*]}, {2-4*"#": 0, }"9": {0}}'}
    )
    assert row.build({"model": "tiny"}).body == b'{"tiny": [[[]]], "2": 0, "3": 0, "4": 0, "9": {0}}'
    row = RequestSpec.model_validate({"path": "/x", "json": {"text": "{2*word }"}})
    assert row.build({}).body == b'{"text": "word word "}'


@pytest.mark.parametrize(
    ("row", "good", "bad"),
    [
        ({"is": "a"}, "a", "b"),
        ({"is": 1}, 1, True),
        ({"is": 1}, 1.0, "1"),
        ({"is": [1, {"a": None}]}, [1, {"a": None}], [1, {"a": 0}]),
        ({"not": "a"}, "b", "a"),
        ({"one_of": ["a", 2]}, 2, 3),
        ({"matches": "^a+$"}, "aa", "ab"),
        ({"matches": "1"}, "1", 1),
        ({"at_least": 2}, 2, 1),
        ({"at_least": 0}, 1, True),
        ({"at_most": 2}, 2, None),
        ({"at_least": 1, "at_most": 3}, 2, 4),
        ({"length": 2}, [1, 2], "a"),
        ({"length": 0}, "", None),
        ({"absent": True}, None, ""),
        ({"absent": False}, "", None),
        ({"contains": "ÄB"}, "xäby", "xy"),
        ({"contains": 1}, [1], [True]),
        ({"counts": {"a": (1, 2), "b|c": (2, 2)}}, "abc", "abcb"),
        ({"counts": {"a": (0, 0)}}, "", None),
    ],
)
def test_matchers(row: dict[str, object], good: object, bad: object) -> None:
    expectation = Expectation.model_validate({"path": "value", **row})
    assert expectation.check({"value": good}) is None
    assert expectation.check({"value": bad}) is not None


def test_a_matcher_on_the_wrong_shape_says_so() -> None:
    said = Expectation.model_validate({"path": "length(value)", "is": 1}).check({"value": 5})
    assert said is not None and "\n" not in said
    assert said.startswith("length(value): expected is 1, got no value: In function length(), ")


@pytest.mark.parametrize("api", API_NAMES)
def test_the_suite_s_tables_can_be_used(api: str) -> None:
    rows = case_table.cases_of(api)
    assert {find_api(api).health_case, *find_api(api).health_case_for.values()} <= set(rows)
    known = find_api(api).contracts
    assert not [(row.title, name) for row in rows.values() for name in row.contract if name not in known]
    for row in rows.values():
        row.request.build({"model": "tiny"})
