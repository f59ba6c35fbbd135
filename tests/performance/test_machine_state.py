"""The machine during a measurement: what the files of the kernel state, and what is not known."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
from pathlib import Path

import pytest

from support.performance import machine_state
from support.performance.load import connection
from support.performance.machine_state import MachineState, MachineUse

PRESSURE = "some avg10=1.00 avg60=0.50 avg300=0.10 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for its files."""
    for name in ("PRESSURE", "STATISTICS", "GOVERNOR"):
        monkeypatch.setattr(machine_state, name, tmp_path / name)
    return tmp_path


def state(kernel: Path, waited: int, ticks: str, at: int) -> MachineState:
    (kernel / "PRESSURE").write_text(PRESSURE.format(waited))
    (kernel / "STATISTICS").write_text(f"cpu  {ticks} 0 0\ncpu0 {ticks} 0 0\nintr 1\n")
    found = MachineState.now()
    return MachineState(at, found.waited_us, found.cpu_ticks)


def test_pressure_steal_and_use_are_those_of_the_time_between(kernel: Path) -> None:
    # User, nice, system, idle, iowait, irq, softirq, steal.
    before = state(kernel, 1_000, "100 0 50 800 10 0 0 5", at=0)
    after = state(kernel, 251_000, "150 0 60 820 10 0 0 25", at=1_000_000_000)
    (kernel / "GOVERNOR").write_text("powersave\n")
    use = MachineUse.between(before, after)
    assert use.cpu_pressure == pytest.approx(0.25)
    assert use.steal == pytest.approx(0.2)
    assert use.busy == pytest.approx(0.8)
    assert use.governor == "powersave"


def test_what_a_kernel_does_not_state_is_not_known(kernel: Path) -> None:
    (kernel / "STATISTICS").write_text("nothing\n")
    use = MachineUse.between(MachineState.now(), MachineState.now())
    assert all(map(math.isnan, (use.cpu_pressure, use.steal, use.busy)))
    assert use.governor == ""


def test_handshakes_are_of_remote_targets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        address = listener.getsockname()[:2]

        def handshakes() -> list[int]:
            return asyncio.run(connection.handshake_times(address, socket.AF_INET))

        assert handshakes() == []
        remote = ipaddress.ip_address("192.0.2.1")
        monkeypatch.setattr(connection, "ip_address", lambda _: remote)
        found = handshakes()
        assert len(found) == connection.HANDSHAKES
        assert all(time > 0 for time in found)
    assert handshakes() == []
    monkeypatch.undo()
    assert asyncio.run(connection.handshake_times(("no.such.host", 1), socket.AF_INET)) == []
