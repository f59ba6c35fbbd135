"""Grafana's components are joined to one file, or there is nothing; a Chromium is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs.browser import Browser, screenshot_command
from support.programs.grafana_components import BUNDLE, STYLES, GrafanaComponents
from tests.programs.test_prometheus import program

COMPONENTS = GrafanaComponents()
NPM = 'mkdir -p node_modules/esbuild/bin; echo "$@" > arguments; test -f package-lock.json'
# As esbuild: the script, and beside it the styles that were imported.
ESBUILD = """
test "$1" = --version && echo v22.1.0 && exit 0
for word; do case "$word" in --outfile=*) out=${word#--outfile=};; esac; done
mkdir -p "${out%/*}"; test -f "$2" && echo script > "$out" && echo styles > "${out%.js}.css"
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of programs, with a Node.js and an npm that pretend to work."""
    folder = tmp_path / "bin"
    program(folder / "npm", NPM)
    program(folder / "node", ESBUILD)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def left(cache: Path) -> list[str]:
    """What an installation has left, apart from its lock."""
    return sorted(file.name for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock")


def test_only_the_joined_file_and_its_styles_are_kept(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert COMPONENTS.find(cache) is None
    found = COMPONENTS.get(cache, print)
    assert (found.path.read_text(), found.path.with_name(STYLES).read_text()) == ("script\n", "styles\n")
    assert (found.path.name, found.version, found.origin) == (BUNDLE, "13.2.3", "cache")
    assert left(cache) == [STYLES, BUNDLE]
    assert COMPONENTS.find(cache) == found


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("npm", "echo no network >&2; exit 1", "could not be installed with npm: no network"),
        ("node", f"test $1 = --version || exit 3{ESBUILD}", "could not be joined"),
        ("node", "echo v22.1.0", "esbuild succeeded, but there is no script in"),
    ],
)
def test_a_failed_installation_leaves_nothing(
    path: Path, tmp_path: Path, name: str, text: str, message: str
) -> None:
    program(path / name, text)
    with pytest.raises(ProgramUnavailable, match=message) as raised:
        COMPONENTS.get(tmp_path / "cache", print)
    assert "\n" not in str(raised.value)
    assert COMPONENTS.find(tmp_path / "cache") is None
    assert not left(tmp_path / "cache")


def test_half_of_it_is_not_taken(tmp_path: Path) -> None:
    COMPONENTS.get(tmp_path, print).path.with_name(STYLES).unlink()
    assert COMPONENTS.find(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("chromium", "echo Chromium 156.0.8078.108 built on Debian", "156.0.8078.108"),
        ("google-chrome", "echo Google Chrome 130.0.1", "130.0.1"),
        ("chromium", "echo Chromium 90.0.4430.93", ""),
        ("chromium", "exit 1", ""),
        ("firefox", "echo Mozilla Firefox 140.0", ""),
    ],
)
def test_a_chromium_that_runs_and_is_new_enough(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, version: str
) -> None:
    monkeypatch.setenv("PATH", str(path))
    program(path / name, text)
    found = Browser().find(tmp_path)
    assert (found.version if found else "") == version
    if found is None:
        with pytest.raises(ProgramUnavailable, match="apt-get install chromium"):
            Browser().get(tmp_path, print)


@pytest.mark.parametrize(("user", "without"), [(0, True), (1000, False)])
def test_only_root_has_no_sandbox(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, *, without: bool
) -> None:
    program(path / "chromium", "echo Chromium 156.0")
    monkeypatch.setattr("os.geteuid", lambda: user)
    found = Browser().find(tmp_path)
    assert found is not None
    page = tmp_path / "a page.html"
    command = screenshot_command(found, page, tmp_path / "a.png", (800, 600), tmp_path / "profile")
    assert ("--no-sandbox" in command) == without
    assert command[-1] == page.as_uri()
    assert any(word.startswith("--host-resolver-rules=") for word in command), "it may reach no host"
