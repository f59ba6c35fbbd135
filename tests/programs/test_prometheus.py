"""Prometheus is found with its promtool, or unpacked from the package of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.errors import ProgramUnavailable
from support.programs.prometheus import ALERTMANAGER, PROMETHEUS, PROMETHEUS_3, promtool_of
from support.runner.requirements import NEEDS_PROMETHEUS_3, Requirements
from support.servers.discovery import UrlTarget
from support.settings import Settings


def program(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def prometheus(folder: Path, version: str = "2.42.0+ds", promtool: bool = True) -> None:  # noqa: FBT001
    program(folder / "prometheus", f"echo 'prometheus, version {version} (branch: x)'")
    if promtool:
        program(folder / "promtool", "true")


def test_the_one_on_the_path_is_taken_before_that_of_the_cache(path: Path, tmp_path: Path) -> None:
    prometheus(tmp_path / "cache" / "prometheus" / "usr" / "bin")
    found = PROMETHEUS.find(tmp_path / "cache")
    assert found is not None
    assert (found.version, found.origin) == ("2.42.0+ds", "cache")
    prometheus(path, "3.16.0")
    found = PROMETHEUS.find(tmp_path / "cache")
    assert found is not None
    assert (found.version, found.origin) == ("3.16.0", "PATH")
    assert promtool_of(found.path) == path / "promtool"


@pytest.mark.parametrize(("version", "promtool"), [("2.42.0", False), ("1.8.2", True)])
def test_one_that_is_old_or_has_no_promtool_is_not_taken(
    path: Path, tmp_path: Path, version: str, *, promtool: bool
) -> None:
    prometheus(path, version, promtool)
    assert PROMETHEUS.find(tmp_path / "cache") is None


def test_a_system_without_debian_packages_gets_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ProgramUnavailable, match=r"apt-get and dpkg-deb not found; install Prometheus 2"):
        PROMETHEUS.get(tmp_path / "cache", print)


def test_without_package_lists_the_remedy_is_their_update(path: Path, tmp_path: Path) -> None:
    program(path / "apt-get", "echo 'E: Unable to locate package prometheus' >&2; exit 100")
    program(path / "dpkg-deb", "true")
    with pytest.raises(ProgramUnavailable, match=r"run `apt-get update` as root first: E: Unable to locate"):
        PROMETHEUS.get(tmp_path / "cache", print)
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["prometheus.lock"]


def test_a_package_is_unpacked_into_the_cache(path: Path, tmp_path: Path) -> None:
    program(path / "apt-get", ": > prometheus_2_amd64.deb")
    unpacked = "printf '#!/bin/sh\\necho prometheus, version 2.42.0\\n'"
    program(
        path / "dpkg-deb",
        f'/bin/mkdir -p "$3/usr/bin"; {unpacked} > "$3/usr/bin/prometheus"; : > "$3/usr/bin/promtool"; '
        '/bin/chmod +x "$3/usr/bin/prometheus"',
    )
    found = PROMETHEUS.get(tmp_path / "cache", lambda _text: None)
    assert (found.version, found.origin) == ("2.42.0", "cache")


def test_alertmanager_of_the_package_is_started_where_its_templates_are(path: Path, tmp_path: Path) -> None:
    program(path / "apt-get", ": > alertmanager_0_amd64.deb")
    shared = "usr/share/prometheus/alertmanager"
    printed = (
        "printf '#!/bin/sh\\n# /usr/share/prometheus/alertmanager/ui\\necho alertmanager, version 0.25.0\\n'"
    )
    made = '"$3/usr/bin/prometheus-alertmanager"'
    program(
        path / "dpkg-deb",
        f'/bin/mkdir -p "$3/usr/bin" "$3/{shared}"; {printed} > {made}; : > "$3/usr/bin/amtool"; '
        f"/bin/chmod +x {made}",
    )
    found = ALERTMANAGER.get(tmp_path / "cache", lambda _text: None)
    assert (found.version, found.origin) == ("0.25.0", "cache")
    text = found.path.read_text()
    assert "/usr/share" not in text
    assert f"# .{'/' * len(shared)}/ui" in text
    folder = tmp_path / "cache" / "alertmanager" / shared
    assert ALERTMANAGER.command(found) == ["env", "-C", folder, found.path]


def test_another_alertmanager_is_started_as_it_is(path: Path, tmp_path: Path) -> None:
    program(path / "prometheus-alertmanager", "echo alertmanager, version 0.28.1")
    program(path / "amtool", "true")
    found = ALERTMANAGER.find(tmp_path / "cache")
    assert found is not None
    assert found.origin == "PATH"
    assert ALERTMANAGER.command(found) == [found.path]


# Makes the module file, and at `go build` both programs.
GO = """case $1 in
version) echo go version go1.26.8 linux/amd64;;
mod) : > go.mod;;
get) echo "$@" >> calls;;
build)
    while [ $# -gt 1 ]; do [ "$1" = -o ] && folder=$2; shift; done
    /bin/mkdir -p "$folder"
    printf '#!/bin/sh\\necho prometheus, version 3.16.0\\n' > "$folder/prometheus"
    : > "$folder/promtool"
    /bin/chmod +x "$folder/prometheus";;
esac"""


def test_prometheus_3_is_built_from_its_module(path: Path, tmp_path: Path) -> None:
    program(path / "go", GO)
    found = PROMETHEUS_3.get(tmp_path / "cache", lambda _text: None)
    folder = tmp_path / "cache" / "prometheus-3"
    assert (found.name, found.version, found.origin) == ("prometheus-3", "3.16.0", "cache")
    module = "github.com/prometheus/prometheus/cmd"
    assert (folder / "calls").read_text().split() == [
        *("get", "-tool", f"{module}/prometheus@v0.316.0", f"{module}/promtool@v0.316.0")
    ]
    assert PROMETHEUS_3.command(found) == [folder / "bin" / "prometheus"]
    # That of Debian is another one.
    assert PROMETHEUS.find(tmp_path / "cache") is None


def test_without_go_the_remedy_is_go(tmp_path: Path) -> None:
    with pytest.raises(
        ProgramUnavailable, match=r"go not found; install Go 1\.26 or newer, or set PROMETHEUS_BIN"
    ):
        PROMETHEUS_3.get(tmp_path / "cache", print)


def test_an_old_go_is_named(path: Path, tmp_path: Path) -> None:
    program(path / "go", "echo go version go1.25.1 linux/amd64")
    with pytest.raises(ProgramUnavailable, match=r"needs Go 1\.26 or newer, found 'go version go1\.25\.1"):
        PROMETHEUS_3.get(tmp_path / "cache", print)


def test_a_prometheus_3_of_the_user_is_taken(path: Path, tmp_path: Path) -> None:
    prometheus(tmp_path / "own", "3.5.0")
    prometheus(path, "2.42.0")
    cache = {"acceptance_cache_dir": tmp_path / "cache"}
    chosen = Settings.model_validate({**cache, "prometheus_bin": tmp_path / "own" / "prometheus"})
    found = PROMETHEUS_3.locate(chosen)
    assert found is not None
    assert (found.version, found.origin) == ("3.5.0", "setting")
    assert PROMETHEUS_3.locate(Settings.model_validate(cache)) is None
    # One of the setting or of the PATH that is older leaves that of the cache.
    prometheus(tmp_path / "cache" / "prometheus-3" / "bin", "3.16.0")
    chosen = Settings.model_validate({**cache, "prometheus_bin": path / "prometheus"})
    found = PROMETHEUS_3.locate(chosen)
    assert found is not None
    assert (found.version, found.origin) == ("3.16.0", "cache")


def test_without_a_prometheus_3_the_reason_names_the_remedy(tmp_path: Path) -> None:
    settings = Settings.model_validate({"acceptance_cache_dir": tmp_path / "cache"})
    missing = Requirements(settings, UrlTarget("http://127.0.0.1:1", (), "a test")).missing(
        [NEEDS_PROMETHEUS_3]
    )
    assert missing == (
        "requires Prometheus 3; `acceptance get prometheus-3` builds it with Go (7 minutes), or set "
        "PROMETHEUS_BIN to one"
    )
