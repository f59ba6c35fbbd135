"""The programs that stand in front of the target and of the Ollama API in a run of `acceptance prove`."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fault_injection.catalogue import CatalogueFault, catalogue
from support.fault_injection.fault_rates import at_rate
from support.fault_injection.faulty_program import Plan
from support.fault_injection.proof_runs import FaultyTarget, of_capability_until_failure, titles_of_checks
from support.programs.install import InstalledProgram
from support.programs.prometheus import MonitoringProgram
from support.runner.checks_of_scenarios import all_features
from support.servers.bundled_gateway import PROGRAM
from support.servers.discovery import CommandTarget, UrlTarget
from support.settings import Settings


@pytest.mark.parametrize(
    ("settings", "program"),
    [
        (Settings(ollama_api="gateway"), PROGRAM),
        (Settings(ollama_api="gateway", gateway_bin=Path("/bin/true")), Path("/bin/true")),
    ],
)
def test_the_gateway_of_the_settings_is_behind_the_fault(
    tmp_path: Path, settings: Settings, program: Path
) -> None:
    target = CommandTarget(Path("/bin/true"), "mistralrs", "0.9.5", "a test")
    words = FaultyTarget(target, settings, []).options(None, tmp_path)
    assert f"--define=gateway_bin={tmp_path / 'gateway'}" in words
    assert Plan.read(tmp_path / "gateway.json").program == (str(program),)


def test_a_fault_of_prometheus_is_in_front_of_prometheus_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = InstalledProgram("prometheus", Path("/bin/true"), "2.42", "setting")
    monkeypatch.setattr(MonitoringProgram, "locate", lambda *_: real)
    http = ({"on": {"path": "/api/v1/query"}, "kills": True},)
    fault = CatalogueFault(
        "harness.a", "harness", "It ends.", "a test", "harness", http=http, stands_for="prometheus"
    )
    target = CommandTarget(Path("/bin/true"), "mistralrs", "0.9.5", "a test")
    words = FaultyTarget(target, Settings(ollama_api="gateway"), []).options(fault, tmp_path)
    assert f"--define=prometheus_bin={tmp_path / 'prometheus'}" in words
    assert Plan.read(tmp_path / "prometheus.json") == Plan(("/bin/true",), http=http)
    assert not Plan.read(tmp_path / "mistralrs.json").http
    at_url = FaultyTarget(UrlTarget("http://127.0.0.1:9", (), "a test"), Settings(), [])
    assert at_url.front(fault) == Plan(url="http://127.0.0.1:9")


def test_a_rare_fault_gets_the_features_of_its_expected_checks_first() -> None:
    of_capability_until_failure(catalogue()["openai.usage.total"])
    titles_in: dict[str, set[str]] = {}
    for feature in all_features():
        titles_in[str(feature.filename)] = {str(one.name) for one in feature.walk_scenarios()}
    for fault in at_rate(catalogue().values(), 5):
        *files, option = of_capability_until_failure(fault)
        assert option == "--fail-fast"
        assert sorted(files) == sorted(map(str, Path(f"features/{fault.capability}").glob("*.feature")))
        titles = {*titles_of_checks(fault.checks), *fault.scenarios}
        assert titles & titles_in[files[0]]
