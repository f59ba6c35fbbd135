"""The HTML report: one file, made by Allure 3, that opens from disk and makes no network request."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.errors import AcceptanceError, ProgramUnavailable
from support.programs.allure import SOURCE, AllureProgram, NodeProgram, node_environment
from support.programs.install import ExternalProgram, InstalledProgram, ReportProgress
from support.programs.process import CommandTimeout, run_command
from support.programs.run_directory import temp_prefix
from support.reporting import history
from support.reporting.behave_events import capability_title
from support.reporting.files import write_atomically
from support.reporting.rendering import render
from support.units import JsonObject

# The page of a whole run takes 4 s on two cores; the decision is printed after it.
GENERATE_SECONDS = 120.0

# Allure 3.18 has Google Analytics in its page and no option against it (plugin-awesome, generators.js).
# With this policy (https://www.w3.org/TR/CSP3/) a browser loads only what is in the page itself.
_POLICY = (
    b'<meta http-equiv="Content-Security-Policy" content="default-src data: blob: '
    b"'unsafe-inline' 'unsafe-eval'; base-uri 'none'; form-action 'none'\">"
)
# Allure 3.18 sets none: a phone would show the page 980 pixels wide, in tiny letters.
_VIEWPORT = b'<meta name="viewport" content="width=device-width,initial-scale=1">'
# The program of the page looks for its data at once, and takes itself for one on a web server without them.
_DATA_FIRST = (
    b"<script>window.allureReportDataReady = false;"
    b" window.allureReportData = window.allureReportData || {};</script>"
)
# A page that is attached gets the 150 pixels of an iframe without a height: the matrix would show two lines.
# Allure's quality gates are not used (exit codes are): their tab would always be empty. Its ring has another
# number for "passed" than the decision above it: it leaves out skips and known issues, and adds checks.
# It cuts off what is longer than a line without a space: a response.
_STYLE = (
    b"<style>iframe[title='HTML attachment']{height:75vh}[data-testid='nav-tab-qualityGate'],"
    b"article:has(>[aria-label^='Success rate']){display:none}pre{overflow-wrap:anywhere}</style>"
)
# The parts of the page that are large: its program and its data, in base64 (plugin-awesome, generators.js).
_PROGRAM = re.compile(rb'<script\s+src="data:text/javascript;base64,([A-Za-z0-9+/=]+)"></script>')
_DATUM = re.compile(rb'd\("([^"]+)","([A-Za-z0-9+/=]*)"\),?')
_BODY = re.compile(rb"<body[^>]*>")
# English texts of the page, and their replacements: the status of known issues and of what is accepted, what
# numbers count, the time of a run below the trends.
_TEXTS = (
    (b'"unknown":"unknown","total":"total"', b'"unknown":"known or accepted","total":"scenarios and checks"'),
    (b'"testSummary":{"total":"Total"', b'"testSummary":{"total":"Scenarios and checks"'),
    (
        b"{{timestamp, timestamp_date}}",
        b"{{timestamp, datetime(month: numeric; day: numeric; "
        b"hour: numeric; minute: numeric; hour12: false)}}",
    ),
)
# What the page is made of beside the results of scenarios and checks.
DESCRIPTIONS = ("environment.properties", "executor.json")
_HIGHER_IS_BETTER = re.compile(r"(/s|/sec|per second|%)$")


def build(  # noqa: PLR0913 - all that a page shows
    results: Path,
    out: Path,
    *,
    environment: Mapping[str, str],
    cache: Path,
    report_progress: ReportProgress,
    title: str = "mistral.rs acceptance",
    counted: str = "",
    compared: str = "",
    banner: str = "",
    pages: Mapping[str, str] | None = None,
) -> Path:
    """Make `out` (reports/index.html) of the Allure results in a folder; returns it.

    `environment` is shown on the first page and must be redacted already, `counted` behind the title.
    Trends have the runs with the same `compared`: target and selection.
    `banner` is HTML at the top; its links with `data-page` open `pages` (name -> HTML), which it contains.
    `history.jsonl` beside `out` gets a line per run. Raises AcceptanceError or PartUnavailable with one
    line; the report of an earlier run is gone then, since it would be taken for this one's. Nothing is
    installed for it: that can take minutes, after all scenarios.
    """
    out.unlink(missing_ok=True)
    if not any(results.glob("*-result.json")):
        raise AcceptanceError(f"no HTML report: there are no Allure results in {results}")
    allure, node = _installed(AllureProgram(), cache), _installed(NodeProgram(), cache)
    _describe(results, environment, title)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as name:
        work = Path(name)
        run = {
            "name": f"{title}: {counted}" if counted else title,
            "output": str(work / "page"),
            "history": str(work / "history.jsonl"),
            "runs": history.MAX_RUNS,
            "performance": performance(results),
        }
        earlier = out.parent / "history.jsonl"
        others = history.load_history(earlier, work / "history.jsonl", report_progress, compared)
        settings = work / "run.json"
        settings.write_text(json.dumps(run), encoding="utf-8")
        config = work / "allurerc.mjs"
        config.write_bytes((SOURCE / "allurerc.mjs").read_bytes())
        report_progress(f"making {out}, in at most {GENERATE_SECONDS:.0f} s")
        command = [node.path, SOURCE / "generate.mjs", allure.path, config, results.resolve()]
        env = node_environment(node) | {"ACCEPTANCE_ALLURE_RUN": str(settings)}
        try:
            outcome = run_command(command, within=GENERATE_SECONDS, env=env, cwd=work)
        except (OSError, CommandTimeout) as error:
            raise AcceptanceError(f"no HTML report: {error}") from None
        made = sorted((work / "page").rglob("index.html"), key=lambda page: len(page.parts))
        if outcome.exit_code != 0 or not made:
            said = " ".join((outcome.stderr + outcome.stdout).split())[-300:]
            raise AcceptanceError(f"no HTML report: Allure ended with exit code {outcome.exit_code}: {said}")
        page = patch_allure_page(made[0].read_bytes(), banner, pages or {})
        history.save_history(work / "history.jsonl", earlier, report_progress, compared, others)
    return write_atomically(out, page)


def _installed(program: ExternalProgram, cache: Path) -> InstalledProgram:
    found = program.find(cache)
    if found is None:
        raise ProgramUnavailable(
            f"{program.name} is not installed, which {program.purpose}; "
            f"for the next run: {program.install_hint}"
        )
    return found


def patch_allure_page(page: bytes, banner: str = "", pages: Mapping[str, str] | None = None) -> bytes:
    """The page without network access and its empty tab, compressed, with the banner at its top."""
    page = _packed(page, pages or {})
    body = _BODY.search(page)
    at = body.end() if body else 0
    page = page[:at] + banner.encode() + page[at:]
    # A page without this tag gets them at its start, where the policy holds as well.
    start = page.find(b"<head>")
    start = start + len(b"<head>") if start >= 0 else 0
    return page[:start] + _POLICY + _VIEWPORT + _DATA_FIRST + _STYLE + page[start:]


def _packed(page: bytes, pages: Mapping[str, str]) -> bytes:
    """The page with its program, its data and the other pages in one compressed part."""
    program = _PROGRAM.search(page)
    if program is None:
        return page
    app = base64.b64decode(program[1])
    for text, replacement in _TEXTS:
        app = app.replace(text, replacement)
    content = {
        "app": app.decode(),
        # The page expects base64, which `btoa` makes of Latin-1.
        "data": {
            name.decode(): base64.b64decode(value).decode("latin-1") for name, value in _DATUM.findall(page)
        },
        "pages": dict(pages),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(content, ensure_ascii=False).encode(), mtime=0))
    loader = render("page_loader.html", packed=packed.decode()).encode()
    rest = _DATUM.sub(b"", page[program.end() :])
    return page[: program.start()] + loader + rest


def performance(results: Path) -> JsonObject:
    """Titles, units and groups of the metrics page, out of the `*-perf.json` files of the results."""
    metrics: dict[str, dict[str, str]] = {}
    groups: dict[str, dict[str, str]] = {}
    for file in sorted(results.glob("*-perf.json")):
        for sample in json.loads(file.read_bytes()):
            key, unit = sample["key"], sample.get("unit", "")
            group = key.split(".")[0]
            better = "higher" if _HIGHER_IS_BETTER.search(unit) else "lower"
            metrics[key] = {"title": sample.get("title", key), "unit": unit, "better": better, "group": group}
            groups[group] = {"title": capability_title(group)}
    return {"metrics": metrics, "groups": groups}


def _describe(results: Path, environment: Mapping[str, str], title: str) -> None:
    lines = [f"{_property(name)} = {_property(_flat(value))}" for name, value in environment.items()]
    properties, described = (results / name for name in DESCRIPTIONS)
    write_atomically(properties, ("\n".join(lines) + "\n").encode("ascii"))
    executor = {"name": "acceptance", "type": "acceptance", "reportName": title}
    if url := os.environ.get("GITHUB_RUN_ID"):
        server, project = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
        executor |= {"buildName": f"run {url}", "buildUrl": f"{server}/{project}/actions/runs/{url}"}
    write_atomically(described, json.dumps(executor).encode())


def _flat(value: str) -> str:
    return " ".join(str(value).split())


def _property(text: str) -> str:
    """Escaped as java.util.Properties.load reads it."""
    escaped = re.sub(r"([\\:=#! ])", r"\\\1", text)
    units = memoryview(escaped.encode("utf-16-le", "surrogatepass")).cast("H")
    return "".join(chr(unit) if 0x20 <= unit <= 0x7E else f"\\u{unit:04x}" for unit in units)
