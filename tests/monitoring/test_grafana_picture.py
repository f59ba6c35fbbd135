"""Which picture of the panels the report gets: with Grafana's components, else by the suite, and why."""

from __future__ import annotations

import copy
import itertools
import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.monitoring.dashboard import dashboard
from support.monitoring.dashboard_data import DashboardData, QueryData
from support.monitoring.dashboard_queries import TimeRange, panels_of, queries_of
from support.monitoring.grafana_picture import (
    BY_GRAFANA,
    BY_SUITE,
    WIDTH,
    DrawnPanel,
    NotDrawn,
    draw,
    not_drawn,
    page_of,
    panel_picture,
    reported,
)
from support.monitoring.prometheus_api import Series
from support.programs.browser import Browser
from support.programs.grafana_components import BUNDLE, STYLES, GrafanaComponents
from support.programs.install import InstalledProgram
from support.results.redaction import Redactor, set_redactor
from support.settings import load_settings
from tests.programs.test_prometheus import program
from tests.programs.vanishing import check_gone
from tests.python_programs import first_lines
from tests.timeouts import PATIENCE

# A server that has everything but the panels of these rows.
WITHOUT = ("KV cache in use", "Preemptions", "Resident memory")
START = 1_800_000_000.0
POINTS = [(START + second, 1.0 + second % 5) for second in range(31)]
LABELS = {"instance": "127.0.0.1:1234", "model": "m<1>", "status": "200", "path": "/v1", "reason": "stop"}


def shown(changes: Mapping[str, QueryData] | None = None) -> DashboardData:
    """Data for each panel, with one series of a name of its own."""
    data = []
    for query in queries_of(dashboard()):
        points = POINTS[-1:] if query.instant else POINTS
        series = () if query.panel in WITHOUT else (Series(LABELS, points),)
        data.append((changes or {}).get(query.panel, QueryData(query, "", series)))
    return DashboardData(TimeRange(START, START + 30, 1, 1), {"job": ["mistralrs"]}, data, [])


def report_of(found: DashboardData) -> list[dict[str, object]]:
    """What the page reports when everything is drawn."""
    page, _ = page_of(dashboard(), found)
    return [
        {
            "title": one["panel"]["title"],
            "text": " ".join([*LABELS.values(), *(s["name"] for q in one["queries"] for s in q["series"])]),
            "plot": one["panel"]["type"] == "timeseries",
            "error": "",
        }
        for one in page["placed"]
    ]


FAKE = """
import json, pathlib, sys
if "--version" in sys.argv:
    print("Chromium 156.0"); sys.exit(0)
here = pathlib.Path(__file__).parent
page = next(word for word in sys.argv if word.startswith("file:"))
(here / "page.html").write_bytes(pathlib.Path(page.removeprefix("file://")).read_bytes())
target = next(word for word in sys.argv if word.startswith("--screenshot=")).partition("=")[2]
for line in json.loads((here / "report.json").read_text()):
    print(f'[1:INFO:CONSOLE:7] "panel {json.dumps(line)}", source: file:///p (7)', file=sys.stderr)
pathlib.Path(target).write_bytes(b"\\x89PNG\\r\\n\\x1a\\nrest")
"""
HANGS = """
test "$1" = --version && echo Chromium 156.0 && exit 0
sleep 600 &
echo $$ $! > "${0%/*}/pids"
wait
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with Grafana's components in its cache, and a browser that pretends to draw everything."""
    script = GrafanaComponents().folder(tmp_path / "cache") / BUNDLE
    script.parent.mkdir(parents=True)
    script.write_text("const end = '</script>';")
    script.with_name(STYLES).write_text("b { }")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    browser(tmp_path, "")
    (folder / "report.json").write_text(json.dumps(report_of(shown())))
    return tmp_path


def browser(machine: Path, before: str) -> None:
    """Another program than the memoized one: its place has a number."""
    file = machine / "bin" / "chromium"
    text = FAKE.replace("here =", f"{before}\nhere =", 1)
    file.write_text(f"{first_lines()}{text}")
    file.chmod(0o755)


def test_with_components_and_a_browser_the_picture_is_theirs(machine: Path) -> None:
    found = panel_picture(dashboard(), shown(), machine / "cache", PATIENCE)
    assert (found.name, found.media_type, found.file) == (
        f"panels of the dashboard, {BY_GRAFANA}",
        "image/png",
        "dashboard.png",
    )
    assert found.data.startswith(b"\x89PNG")
    page = (machine / "bin" / "page.html").read_text()
    assert "default-src 'none'" in page, "the page may load nothing"
    assert page.count("</script>") == 2, "nothing in the data or the script ends them"
    assert "not by Grafana" in page


def test_a_secret_is_not_drawn(machine: Path) -> None:
    set_redactor(Redactor(["m<1>"]))
    try:
        panel_picture(dashboard(), shown(), machine / "cache", PATIENCE)
    finally:
        set_redactor(Redactor([]))
    page = (machine / "bin" / "page.html").read_text()
    assert "127.0.0.1:1234" in page and "m\\u003c1>" not in page


def test_without_components_the_suite_draws_and_no_browser_is_started(machine: Path) -> None:
    browser(machine, 'raise SystemExit("started")')
    found = panel_picture(dashboard(), shown(), machine / "elsewhere", PATIENCE)
    assert (found.name, found.media_type) == (f"panels of the dashboard, {BY_SUITE}", "text/html")
    assert b"Not drawn with" not in found.data
    assert not (machine / "elsewhere").exists(), "nothing is installed by a run"


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("sys.exit(21)", "wrote no picture (exit code 21)"),
        ("sys.exit(0)", "wrote no picture (exit code 0)"),
    ],
)
def test_a_browser_that_fails_leaves_the_suite_to_draw(machine: Path, before: str, reason: str) -> None:
    browser(machine, before)
    found = panel_picture(dashboard(), shown(), machine / "cache", PATIENCE)
    assert found.name.endswith(BY_SUITE)
    assert f"Not drawn with Grafana's components: chromium 156.0 {reason}" in found.data.decode()


def test_a_browser_that_hangs_is_ended_with_its_children(machine: Path) -> None:
    program(machine / "bin" / "chromium", HANGS)
    found = panel_picture(dashboard(), shown(), machine / "cache", 5.0)
    assert "did not end within 5 s" in found.data.decode()
    pids = (machine / "bin" / "pids").read_text().split()
    assert len(pids) == 2
    check_gone([int(pid) for pid in pids])


def test_without_a_browser_the_reason_is_how_to_get_one(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine))
    found = panel_picture(dashboard(), shown(), machine / "cache", PATIENCE)
    assert "no Chromium: apt-get install chromium" in found.data.decode()


Report = list[dict[str, object]]


def without(title: str) -> Callable[[Report], Report]:
    return lambda lines: [line for line in lines if line["title"] != title]


def changed(title: str, **fields: object) -> Callable[[Report], Report]:
    return lambda lines: [line | fields if line["title"] == title else line for line in lines]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda lines: lines, ""),
        (without("Tokens"), "Tokens: not drawn"),
        (changed("Tokens", plot=False), "Tokens: no lines"),
        (changed("Tokens", error="x is not a function"), "Tokens: x is not a function"),
        (changed("Servers", text="Servers"), "Servers: 127.0.0.1:1234 is missing"),
        (changed("Models", text="Models"), "Models: 127.0.0.1:1234, m<1>, 200, /v1, stop is missing"),
        (changed("Models", plot=False), ""),
    ],
)
def test_a_picture_that_lacks_something_is_not_taken(
    machine: Path, change: Callable[[Report], Report], finding: str
) -> None:
    lines = change(report_of(shown()))
    (machine / "bin" / "report.json").write_text(json.dumps(lines))
    found = panel_picture(dashboard(), shown(), machine / "cache", PATIENCE)
    assert found.name.endswith(BY_SUITE if finding else BY_GRAFANA)
    page, _ = page_of(dashboard(), shown())
    panels = [
        DrawnPanel(str(one["title"]), str(one["text"]), bool(one["plot"]), str(one["error"])) for one in lines
    ]
    assert [*not_drawn(page["placed"], panels)][:1] == [finding][: bool(finding)]


def test_other_messages_of_the_page_are_no_report() -> None:
    assert reported('[1:INFO:CONSOLE:7] "Uncaught TypeError", source: x (7)\n[1:ERROR] "panel {}"\n') == []


def test_panels_have_their_places_and_none_overlap() -> None:
    page, height = page_of(dashboard(), shown())
    places = [(one["left"], one["top"], one["width"], one["height"]) for one in page["placed"]]
    for (left, top, width, tall), (left_2, top_2, width_2, tall_2) in itertools.combinations(places, 2):
        assert (
            left + width <= left_2 or left_2 + width_2 <= left or top + tall <= top_2 or top_2 + tall_2 <= top
        )
    assert max(left + width for left, _, width, _ in places) == WIDTH
    assert max(top + tall for _, top, _, tall in places) < height


def test_a_row_without_data_is_its_heading_with_the_reason() -> None:
    page, _ = page_of(dashboard(), shown())
    titles = [one["panel"]["title"] for one in page["placed"]]
    rows = {row["title"]: row["note"] for row in page["rows"]}
    assert rows["Paged attention"] == "no data; requires paged attention and a preemption"
    assert rows["Process"] == rows["Latency"] == ""
    assert "KV cache in use" not in titles
    memory = next(one for one in page["placed"] if one["panel"]["title"] == "Resident memory")
    assert memory["note"].startswith("no data; requires an exporter")


def test_an_error_of_a_query_stands_in_its_panel() -> None:
    query = next(one for one in queries_of(dashboard()) if one.panel == "Tokens")
    page, _ = page_of(dashboard(), shown({"Tokens": QueryData(query, "", error="Prometheus rejects 'x'")}))
    tokens = next(one for one in page["placed"] if one["panel"]["title"] == "Tokens")
    assert (tokens["note"], tokens["wrong"]) == ("Prometheus rejects 'x'", True)


@pytest.fixture
def components() -> InstalledProgram:
    """The real ones, with a real browser."""
    found = GrafanaComponents().find(load_settings().settings.acceptance_cache_dir)
    if found is None:
        pytest.skip(f"Grafana's components are not installed: {GrafanaComponents.install_hint}")
    if Browser().find(Path()) is None:
        pytest.skip(f"no Chromium: {Browser.install_hint}")
    return found


def test_the_real_components_draw_every_kind_of_panel(
    components: InstalledProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units, states, legends, columns and lines are in the picture; nothing else is left."""
    # As deep as the folder of a worker of a run.
    temporary = tmp_path / ("a" * 60)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    drawing = draw(dashboard(), shown(), components, PATIENCE)
    assert not [*temporary.iterdir()]
    texts = {one.title: one.text for one in drawing.panels}
    assert texts["Servers"] == "Servers 127.0.0.1:1234 up"
    assert texts["Availability"] == "Availability m<1> 100.00%"
    assert (
        "1 req/s" in texts["Models"] and "1 s" in texts["Models"] and "Between tokens p95" in texts["Models"]
    )
    assert texts["Requests by status"] == "Requests by status 200"
    plots = {one.title for one in drawing.panels if one.plot}
    assert {"Tokens", "Time to first token"} <= plots and "Servers" not in plots
    # https://www.w3.org/TR/png-3/#11IHDR
    size = struct.unpack(">II", drawing.picture[16:24])
    assert size == (WIDTH + 32, page_of(dashboard(), shown())[1])


def test_a_panel_that_the_real_components_cannot_draw_is_named(components: InstalledProgram) -> None:
    document = copy.deepcopy(dashboard())
    one = next(each for each in panels_of(document) if each["title"] == "Tokens")
    one["type"] = "gauge"
    with pytest.raises(NotDrawn, match=r"^Tokens: no component draws a panel of the type gauge$"):
        draw(document, shown(), components, PATIENCE)
