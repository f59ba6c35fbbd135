"""The HTML report. Needs Node and Allure in the cache: fetched once, then 2 s."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from support.errors import AcceptanceError
from support.programs.allure import SOURCE, AllureProgram, NodeProgram
from support.programs.install import InstalledProgram
from support.reporting import html
from support.settings import default_cache
from tests.reporting import toys


@pytest.fixture(scope="module")
def page(toy_run: toys.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "index.html"
    environment = {"Target": "toy 1.0 = ö 🎉", "Model path": r"C:\models"}
    return html.build(
        toy_run.results, out, environment=environment, cache=default_cache(), report_progress=lambda _: None
    )


@pytest.mark.engine
def test_the_page_is_one_file_without_network_access(page: Path, toy_run: toys.Run) -> None:
    text = page.read_bytes()
    policy = re.search(rb'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    assert policy and not re.search(rb"<(?:script|link|img|iframe)\b", text[: policy.start()])
    assert policy[1].startswith(b"default-src data: blob: 'unsafe-inline' 'unsafe-eval';")
    # No directive allows another source, and no link is of a kind that the policy does not cover.
    assert not re.search(rb"https?:|\*|'self'|[a-z]+-src(?<!default-src) ", policy[1])
    assert not re.search(rb"<(?:link|img)\b[^>]*\s(?:src|href)=[\"']?(?!data:)[^#\"']", text)
    assert text.index(b"window.allureReportData =") < text.index(b"packed-report")
    assert b"data:text/javascript" not in text
    properties = (toy_run.results / "environment.properties").read_text()
    assert "Target = toy\\ 1.0\\ \\=\\ \\u00f6\\ \\ud83c\\udf89\n" in properties


@pytest.mark.engine
def test_the_page_is_compressed_and_calls_known_issues_so(page: Path) -> None:
    content = toys.packed_content(page.read_bytes())
    assert page.stat().st_size < len(content["app"]), "its program alone is larger"
    assert '"unknown":"known or accepted"' in content["app"]
    results = [text for name, text in content["data"].items() if name.startswith("data/test-results/")]
    assert any("It is a known issue" in text for text in results)


def test_the_banner_is_first_and_its_pages_are_in_the_file() -> None:
    program, datum = base64.b64encode(b"run()").decode(), base64.b64encode("ö".encode()).decode()
    page = (
        f'<head></head><body class="a"><script src="data:text/javascript;base64,{program}"></script>'
        f'<script>Promise.allSettled([d("a/b.json","{datum}"),d("c","{datum}")])</script></body>'
    )
    patched = html.patch_allure_page(page.encode(), "<header>NO-GO</header>", {"x.html": "<p>é</p>"})
    assert b'<body class="a"><header>NO-GO</header>' in patched and b"Promise.allSettled([])" in patched
    assert toys.packed_content(patched) == {
        "app": "run()",
        "data": {"a/b.json": "Ã¶", "c": "Ã¶"},
        "pages": {"x.html": "<p>é</p>"},
    }


@pytest.mark.engine
def test_a_page_of_700_checks_is_below_5_mb(toy_run: toys.Run, tmp_path: Path) -> None:
    """Each as large as a check of a real run, and with no text of another one."""
    results = tmp_path / "results"
    results.mkdir()
    known = toy_run.allure["a byte order mark is accepted"]
    for number in range(700):
        curl, unique = f"{uuid4()}-attachment.txt", " ".join(str(uuid4()) for _ in range(20))
        (results / curl).write_text(unique)
        check = known | {
            "uuid": str(uuid4()),
            "historyId": f"{number:032x}",
            "name": f"check {number}",
            "fullName": f"toy.{number}",
            "descriptionHtml": known["descriptionHtml"] + unique,
            "attachments": [{"name": "curl", "source": curl, "type": "text/plain"}],
        }
        (results / f"{check['uuid']}-result.json").write_text(json.dumps(check))
    page = html.build(
        results,
        tmp_path / "index.html",
        environment={},
        cache=default_cache(),
        report_progress=lambda _: None,
    )
    data = toys.packed_content(page.read_bytes())["data"]
    assert sum(name.startswith("data/test-results/") for name in data) == 700
    assert page.stat().st_size < 5_000_000


@pytest.mark.engine
def test_the_page_stays_at_its_top_until_it_is_used(page: Path) -> None:
    text = page.read_bytes()
    assert text.index(b"if (untouched && scrolled.scrollTop)") < text.index(b"document.body.append(script)")


@pytest.mark.engine
def test_numbers_name_what_they_count_and_no_percentage_leaves_some_out(page: Path) -> None:
    content = toys.packed_content(page.read_bytes())
    assert '"testSummary":{"total":"Scenarios and checks"' in content["app"]
    assert '"unknown":"known or accepted","total":"scenarios and checks"' in content["app"]
    assert b"article:has(>[aria-label^='Success rate']){display:none}" in page.read_bytes()
    charts = json.loads(content["data"]["widgets/charts.json"])["general"].values()
    titles = {chart["type"]: chart["title"] for chart in charts}
    assert "currentStatus" not in titles
    assert titles["testResultSeverities"] == "Scenarios and checks by severity"
    by_severity = next(chart for chart in charts if chart["type"] == "testResultSeverities")
    assert "unknown" in by_severity["statuses"]


def test_a_phone_shows_the_page_in_its_own_width_and_long_lines_whole() -> None:
    page = html.patch_allure_page(b"<html><head><title>x</title></head><body></body></html>")
    assert b'<head><meta http-equiv="Content-Security-Policy"' in page
    assert b'<meta name="viewport" content="width=device-width,initial-scale=1">' in page
    assert b"pre{overflow-wrap:anywhere}" in page


@pytest.mark.engine
def test_trends_are_labelled_with_times(page: Path) -> None:
    app = toys.packed_content(page.read_bytes())["app"]
    assert '"history":"{{timestamp, datetime(month: numeric; day: numeric; hour: numeric; minute: ' in app
    assert "{{timestamp, timestamp_date}}" not in app


@pytest.mark.engine
def test_history_goes_on_beside_the_page(page: Path) -> None:
    assert len((page.parent / "history.jsonl").read_text().splitlines()) == 1


@pytest.mark.engine
@pytest.mark.usefixtures("page")
def test_allure_is_there_at_once_the_second_time() -> None:
    said: list[str] = []
    assert AllureProgram().get(default_cache(), said.append).version == "3.18.0"
    assert said == []


def test_a_stale_report_is_removed_when_there_is_nothing_to_report(tmp_path: Path) -> None:
    out = tmp_path / "index.html"
    out.write_text("old")
    with pytest.raises(AcceptanceError, match="no Allure results"):
        html.build(tmp_path, out, environment={}, cache=tmp_path, report_progress=lambda _: None)
    assert not out.exists()


def test_a_node_that_hangs_costs_the_page_alone_after_a_line_that_names_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "node"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    (tmp_path / "1-result.json").write_text("{}")
    monkeypatch.setattr(html, "_installed", lambda *_: InstalledProgram("node", hanging, "22", "PATH"))
    monkeypatch.setattr(html, "GENERATE_SECONDS", 0.5)
    out, printed = tmp_path / "reports" / "index.html", list[str]()
    with pytest.raises(AcceptanceError, match=r"no HTML report: .*node") as raised:
        html.build(tmp_path, out, environment={}, cache=tmp_path, report_progress=printed.append)
    assert "\n" not in str(raised.value)
    assert printed == [f"making {out}, in at most 0 s"]


@pytest.mark.parametrize("page", [b"<!doctype html><head><script></script></head>", b"<script></script>"])
def test_the_policy_stands_before_every_script(page: bytes) -> None:
    patched = html.patch_allure_page(page)
    assert 0 <= patched.index(b"Content-Security-Policy") < patched.index(b"<script>")


def test_metrics_get_their_titles_from_the_measures(tmp_path: Path) -> None:
    sample = {"id": "1", "key": "decode.c8", "value": 1, "title": "Decode, 8 streams", "unit": "tok/s"}
    (tmp_path / "x-perf.json").write_text(json.dumps([sample]))
    assert html.performance(tmp_path) == {
        "metrics": {
            "decode.c8": {
                "title": "Decode, 8 streams",
                "unit": "tok/s",
                "better": "higher",
                "group": "decode",
            }
        },
        "groups": {"decode": {"title": "Decode"}},
    }


CATEGORY_OF = """
import config from "%s";
const category = (test) => config.categories.find(({matchers: m}) => typeof m === "function" ? m(test)
  : m.statuses.includes(test.status) && (m.message ?? /^/).test(test.message)).name;
console.log(JSON.stringify(JSON.parse(process.argv[1]).map(category)));
"""


@pytest.mark.engine
def test_the_first_line_of_a_failure_places_it(tmp_path: Path) -> None:
    """As Allure does: the first rule whose status and message match."""
    expected = [
        ("failed", "expected 404, got 500", "Product defects"),
        (
            "failed",
            "expected 2, got 3\nanswer: 'timeout: over budget, connection refused'",
            "Product defects",
        ),
        ("broken", "OSError: disk full", "Harness defects"),
        ("broken", "ConnectError: [Errno 111] Connection refused", "Target down"),
        ("failed", "the server died during the scenario; the end of its log:\nx", "Target down"),
        ("failed", "the scenario exceeded its budget of 1 s", "Budget exceeded"),
        ("skipped", "needs a GPU", "Skipped: not possible here"),
    ]
    (tmp_path / "run.json").write_text("{}")
    config = tmp_path / "allurerc.mjs"
    config.write_bytes((SOURCE / "allurerc.mjs").read_bytes())
    tests = [{"status": status, "message": message, "labels": []} for status, message, _ in expected]
    node = NodeProgram().get(default_cache(), lambda _: None)
    done = subprocess.run(
        [node.path, "--input-type=module", "-e", CATEGORY_OF % config.as_uri(), json.dumps(tests)],
        env={"ACCEPTANCE_ALLURE_RUN": str(tmp_path / "run.json")},
        capture_output=True,
        timeout=300,
        check=True,
    )
    assert json.loads(done.stdout) == [category for *_, category in expected]


def test_the_lock_file_names_no_host_to_load_from() -> None:
    lock = json.loads((SOURCE / "package-lock.json").read_bytes())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
