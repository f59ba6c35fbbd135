"""Results of each suite in its own form: JUnit XML of pytest, `go test -v`, checks.json, types."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.http.exchange import Exchange
from support.independent import mcp_suite, ollama_suite, pytest_plugin, sdk_suite
from support.independent.open_responses import documents
from support.independent.open_responses_main import errors_of_stated_types
from support.independent.results import SuiteBroken, TestOutcome

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_list[loose]"/>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_get[loose]">
  <failure message="openai.NotFoundError: Error code: 404">trace</failure></testcase>
<testcase classname="tests.api_resources.test_models.TestModels" name="test_delete[loose]">
  <skipped message="a service of the platform"/></testcase>
<testcase classname="tests.test_client" name="test_a"><error>no fixture</error></testcase>
</testsuite></testsuites>"""
GO = """=== RUN   TestBlueSky
time=2026-11-30T09:55:00Z level=INFO msg="--- PASS: TestOther (0.00s)"
--- PASS: TestBlueSky (0.10s)
=== RUN   TestShow
    api_test.go:378: missing license
    api_test.go:384: missing parameters
--- FAIL: TestShow (0.00s)
=== RUN   TestTools
=== RUN   TestTools/qwen3
=== RUN   TestTools/mistral
    tools_test.go:127: expected at least one tool call, got none
--- FAIL: TestTools (0.20s)
    --- PASS: TestTools/qwen3 (0.10s)
    --- FAIL: TestTools/mistral (0.10s)
=== RUN   TestQueue
    max_queue_test.go:20: needs a proper model
--- SKIP: TestQueue (0.00s)
=== RUN   TestHangs
"""
CHECKS = [
    {"id": "tools-list", "status": "SUCCESS"},
    {"id": "wire", "status": "FAILURE", "errorMessage": "no id"},
    {"id": "note", "status": "INFO"},
    {"id": "session", "status": "WARNING"},
]


def test_junit_of_an_sdk() -> None:
    place = "test_models.TestModels"
    assert sdk_suite.read_junit(JUNIT.encode()) == [
        TestOutcome(f"{place}.test_list[loose]", "passed"),
        TestOutcome(f"{place}.test_get[loose]", "failed", "openai.NotFoundError: Error code: 404"),
        TestOutcome(f"{place}.test_delete[loose]", "skipped", "a service of the platform"),
        TestOutcome("test_client.test_a", "failed", "no fixture"),
    ]


def test_another_document_than_junit_is_broken() -> None:
    with pytest.raises(SuiteBroken, match="cannot be read"):
        sdk_suite.read_junit(b"{}")


def test_tests_that_do_not_apply_are_skipped_with_their_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "rules.json"
    listed.write_text(json.dumps([["_delete", "a service of the platform"]]))
    monkeypatch.setenv(pytest_plugin.VARIABLE, str(listed))
    marks: dict[str, list[Any]] = {"t.py::test_delete": [], "t.py::test_list": []}
    items = [SimpleNamespace(nodeid=name, add_marker=kept.append) for name, kept in marks.items()]
    pytest_plugin.pytest_collection_modifyitems(items)
    assert [mark.kwargs for mark in marks["t.py::test_delete"]] == [{"reason": "a service of the platform"}]
    assert not marks["t.py::test_list"]


def test_output_of_go_tests() -> None:
    chosen = ["TestBlueSky", "TestShow", "TestTools", "TestQueue", "TestHangs", "TestNeverRun"]
    found = {one.name: one for one in ollama_suite.read_verbose(GO.splitlines(), chosen)}
    assert {name: one.status for name, one in found.items()} == {
        "TestBlueSky": "passed",
        "TestShow": "failed",
        "TestTools/qwen3": "passed",
        "TestTools/mistral": "failed",
        "TestQueue": "skipped",
        "TestHangs": "failed",
        "TestNeverRun": "failed",
    }
    assert found["TestShow"].details == (
        "api_test.go:378: missing license",
        "api_test.go:384: missing parameters",
    )
    assert (
        found["TestTools/mistral"].message == "tools_test.go:127: expected at least one tool call, got none"
    )
    assert {found[name].message for name in ("TestHangs", "TestNeverRun")} == {ollama_suite.NOT_FINISHED}


def test_a_test_of_go_that_does_not_end_after_its_subtests_has_failed() -> None:
    lines = GO.partition("--- FAIL: TestTools")[0].splitlines()
    found = ollama_suite.read_verbose([*lines, "    --- PASS: TestTools/qwen3 (0.10s)"], ["TestTools"])
    assert TestOutcome("TestTools", "failed", ollama_suite.NOT_FINISHED) in found


def test_the_pattern_of_a_subtest_fits_that_one_only() -> None:
    levels = ollama_suite.run_pattern("TestTools/gpt-oss:20b").split("/")
    assert all(map(re.search, levels, ["TestTools", "gpt-oss:20b"]))
    assert not re.search(levels[0], "TestToolsToo") and not re.search(levels[1], "gpt-oss:20b-cloud")


def test_checks_of_the_mcp_suite(tmp_path: Path) -> None:
    file = tmp_path / "checks.json"
    file.write_text(json.dumps(CHECKS))
    assert mcp_suite.read_checks("tools", file) == [
        TestOutcome("tools/tools-list", "passed"),
        TestOutcome("tools/wire", "failed", "no id"),
    ]


def test_a_scenario_that_has_checked_nothing_is_no_pass(tmp_path: Path) -> None:
    file = tmp_path / "checks.json"
    file.write_text(json.dumps(CHECKS[2:]))
    assert mcp_suite.read_checks("sse", file) == [TestOutcome("sse", "skipped", mcp_suite.NOTHING_CHECKED)]


@pytest.mark.parametrize("text", ["", "{}x", '[{"id": "a"}]', "[3]"])
def test_another_file_than_checks_is_broken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "checks.json"
    file.write_text(text)
    with pytest.raises(SuiteBroken, match="cannot be read"):
        mcp_suite.read_checks("sse", file)


def test_a_command_is_quoted_for_the_shell() -> None:
    assert mcp_suite.client_command(["a b", Path("c")]) == "'a b' c"


def response(body: bytes, status: int = 200) -> Exchange:
    return Exchange("POST", "http://127.0.0.1/v1/responses", {}, b"", status, {}, body, 0.1)


def test_documents_of_a_response_and_of_a_stream() -> None:
    assert list(documents("basic", response(b'{"id": "r"}'), stream=False)) == [
        ("basic", "response", {"id": "r"})
    ]
    body = b'event: x\ndata: {"type": "response.created"}\n\ndata: [DONE]\n\n'
    assert list(documents("stream", response(body), stream=True)) == [
        ("stream/response.created", "event", {"type": "response.created"})
    ]


@pytest.mark.parametrize("body", [b"", b"data: [DONE]\n\n"])
def test_a_stream_without_events_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="expected events, got status 200"):
        list(documents("stream", response(body), stream=True))


def test_an_event_that_is_no_object_is_validated_as_well() -> None:
    body = b"data: [1]\n\n"
    assert list(documents("stream", response(body), stream=True)) == [("stream/None", "event", [1])]


def test_a_rejected_request_is_no_document() -> None:
    with pytest.raises(ValueError, match="expected 200, got status 422"):
        list(documents("tools", response(b"no", 422), stream=False))


def test_only_errors_of_the_stated_type_are_meant() -> None:
    text, image = ("output", "0", "TextContent"), ("output", "0", "ImageContent")
    found = [("store",), (*text, "annotations"), (*image, "type"), (*image, "image_url")]
    assert errors_of_stated_types(dict.fromkeys(found, "wrong")) == [
        "store: wrong",
        "output.0.TextContent.annotations: wrong",
    ]


def test_a_type_that_is_not_allowed_is_an_error() -> None:
    inner = ("output", "0", "Message", "content", "0")
    found = [(*inner, "TextContent", "type"), (*inner, "Refusal", "type"), ("output", "0", "Call", "type")]
    assert errors_of_stated_types(dict.fromkeys(found, "wrong")) == [
        "output.0.Message.content.0: its type is none of those that are allowed here"
    ]
