"""Sequences of a server that is monitored from outside: by an exporter for its process and a proxy."""

from __future__ import annotations

from support.conformance.sequence import CheckedClient, sequence
from support.monitoring.exposition import require_none
from support.monitoring.proxied_server import Observation, OutsideView
from support.monitoring.resource_use import MEMORY, PROCESS_TOLERANCES
from support.results.outcome import Evidence


class ExporterClient(CheckedClient):
    """Reads what was observed."""

    @property
    def view(self) -> OutsideView:
        """The same for all checks."""
        found = self.server.surroundings() if self.server.surroundings else None
        if not isinstance(found, OutsideView):
            raise TypeError("this server is not monitored from outside")
        return found

    @property
    def observation(self) -> Observation:
        """By an exporter and a proxy."""
        return self.view.proxied


CLIENT = ExporterClient


@sequence("exporter.proxy.requests")
def _requests(client: ExporterClient) -> None:
    require_none([*client.observation.count_findings()])


@sequence("exporter.proxy.durations")
def _durations(client: ExporterClient) -> None:
    require_none([*client.observation.duration_findings()])


@sequence("exporter.process.memory")
def _memory(client: ExporterClient) -> None:
    require_none([*client.observation.memory.findings(*PROCESS_TOLERANCES[MEMORY])])


@sequence("exporter.process.ended")
def _ended(client: ExporterClient) -> None:
    require_none([*client.observation.end_findings()])


@sequence("exporter.memory.soak")
def _soak(client: ExporterClient) -> None:
    soak = client.view.soak
    client.evidence.append(Evidence.text("memory by tokens", soak.text(), "soak.txt"))
    require_none([*soak.findings()])


@sequence("exporter.memory.different_prompts")
def _different_prompts(client: ExporterClient) -> None:
    prompts = client.view.prompts
    client.evidence.append(Evidence.text("memory by prompts", prompts.text(), "prompts.txt"))
    require_none([*prompts.findings()])


@sequence("exporter.process.alert")
def _alert(client: ExporterClient) -> None:
    require_none([*client.observation.alert_findings()])
