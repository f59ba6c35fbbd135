"""Secrets put in at every entrance of a run leave by no exit: whatever it writes is searched."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from support.reporting.evidence import write_evidence
from support.reporting.report_writer import RunReports
from support.results.decision import Decision
from support.results.outcome import Evidence
from support.results.record import read_records
from support.results.redaction import Redactor, redactor_for, set_redactor
from support.servers.discovery import CommandTarget
from support.servers.subject import Subject
from support.settings import default_cache, load_settings
from tests.reporting import toys

KEY, PASSWORD = "k3y/with+special-chars", "p4ss/word=9876"
URL = f"http://operator:{quote(PASSWORD, safe='')}@127.0.0.1:9/v1?api_key={quote(KEY, safe='')}"
PAIR = base64.b64encode(f"operator:{PASSWORD}".encode()).decode()
LEAK = "\n".join(
    [
        f"POST {URL}",
        f"Authorization: Basic {PAIR}",
        f"Authorization: Bearer {KEY}",
        f"X-Api-Key: {KEY}",
        f"Cookie: session={KEY}; other={quote(PASSWORD, safe='')}",
        f"TARGET_API_KEY={KEY}",
        f"in the middle {KEY} and {PASSWORD} and {base64.b64encode(KEY.encode()).decode()}",
    ]
)
SECRETS = (
    KEY,
    quote(KEY, safe=""),
    base64.b64encode(KEY.encode()).decode().rstrip("="),
    PASSWORD,
    quote(PASSWORD, safe=""),
    PAIR.rstrip("="),
)
FEATURE = f"""\
Feature: Leaks

  @leaky
  Scenario: It tells
    Then the secret "{KEY}" is told

  @leaky @leaks_as_known
  Scenario: It is known for telling
    Then the secret "{KEY}" is told

  @leaks_its_need
  Scenario: It needs what is secret
    Given a target

  @leaks_at_its_end
  Scenario: It tells at its end
    Given a target
"""
EXITS = {
    "terminal": r"^stdout$",
    "closing text": r"^closing$",
    "records": r"^records\.jsonl$",
    "JSON": r"^report\.json$",
    "JUnit": r"^junit/",
    "Markdown": r"^summary\.md$",
    "page of the job": r"^job\.md$",
    "matrix in Markdown": r"^matrix\.md$",
    "matrix as a page": r"^matrix\.html$",
    "Allure results": r"^allure-results/.*-result\.json$",
    "Allure attachments": r"^allure-results/.*-attachment\.",
    "Allure metrics": r"^allure-results/.*-perf\.json$",
    "environment of the run": r"^allure-results/environment\.properties$",
    "evidence": r"^evidence/",
    "HTML": r"^index\.html$",
    "history": r"^history\.jsonl$",
}


class Open(Redactor):
    """Lets everything through."""

    def text(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Left:
    """What a run wrote, by name below the reports folder."""

    texts: dict[str, str]

    def leaks(self, exit: str) -> set[str]:
        """The secrets that an exit tells, and that the exit is there at all."""
        found = {name: text for name, text in self.texts.items() if re.search(EXITS[exit], name)}
        assert found, f"{exit} is not among {sorted(self.texts)}"
        return {secret for secret in SECRETS for text in found.values() if secret in text}


def run(folder: Path, redactor: Redactor, environment: dict[str, str]) -> Left:
    """A run of the toy suite that meets secrets everywhere, and its reports."""
    done = toys.behave(
        folder,
        *("--junit", "--junit-directory", "reports/junit"),
        env={"TOY_LEAK": LEAK, "TOY_KEY": KEY, "TOY_URL": URL, **environment},
        openai_api__leaks=FEATURE,
    )
    reports = folder / "reports"
    in_force = load_settings(
        {
            "acceptance_reports_dir": str(reports),
            "acceptance_cache_dir": str(default_cache()),
        }
    )
    # Reading the settings has put another in force.
    set_redactor(redactor)
    write_evidence([Evidence.text("server log", LEAK, "server.log")], reports, "it leaks")
    target = CommandTarget(Path("mistralrs"), "mistralrs", "0.8.1", f"found at {URL}")
    texts = {"stdout": done.stdout + done.stderr}
    run_reports = RunReports(in_force, Subject(target))
    for record in read_records(run_reports.records.file):
        run_reports.records.write(record)
    with contextlib.redirect_stdout(io.StringIO()) as closing:
        run_reports.finish(1, Decision("release"), suite="toy", started=time.time() - 1)
    texts["closing"] = closing.getvalue()
    for file in reports.rglob("*"):
        if file.is_file():
            texts[file.relative_to(reports).as_posix()] = _unpacked(
                file.read_bytes().decode("utf-8", "replace")
            )
    return Left(texts)


def _unpacked(text: str) -> str:
    """With what is base64 in it, as the page has its program and data."""
    long = re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text)
    inner = [
        toys.unpacked(base64.b64decode(part + "=" * (-len(part) % 4))) for part in long if len(part) % 4 != 1
    ]
    return "\n".join([text.replace("\\/", "/"), *inner])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Left]]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ACCEPTANCE_", "TARGET_", "TEST_"))]:
            patch.delenv(name)
        made = {}
        for name, redactor, environment in (
            ("closed", redactor_for(KEY, [URL], {}), {}),
            ("open", Open(), {"TOY_OPEN": "yes"}),
        ):
            folder = tmp_path_factory.mktemp(name)
            patch.setenv("GITHUB_STEP_SUMMARY", str(folder / "reports" / "job.md"))
            made[name] = run(folder, redactor, environment)
        set_redactor(Redactor())
        yield made


@pytest.mark.engine
@pytest.mark.parametrize("exit", list(EXITS))
def test_no_secret_leaves(runs: dict[str, Left], exit: str) -> None:
    assert runs["closed"].leaks(exit) == set()


@pytest.mark.engine
@pytest.mark.parametrize("exit", list(EXITS))
def test_a_leak_would_be_noticed(runs: dict[str, Left], exit: str) -> None:
    assert runs["open"].leaks(exit), "without redaction the secret would have to be here"


@pytest.mark.engine
def test_no_other_file_tells_one(runs: dict[str, Left]) -> None:
    told = {name for name, text in runs["closed"].texts.items() if any(secret in text for secret in SECRETS)}
    assert told == set()
