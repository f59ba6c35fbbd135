"""Aider and its server work where there is nothing but loopback: in a network namespace of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs.aider import AIDER
from support.settings import load_settings
from tests.timeouts import PATIENCE

INSTALLED = AIDER.find(load_settings().settings.acceptance_cache_dir)
UNSHARE = ("unshare", "--map-root-user", "--net")
# Loopback is down in a new namespace (netdevice(7): SIOCSIFFLAGS, IFF_UP).
WITH_LOOPBACK = """
import fcntl, os, socket, struct, sys
with socket.socket() as opened:
    fcntl.ioctl(opened, 0x8914, struct.pack("16sH22x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""
INTERFACES = "import socket; print(*(name for _, name in socket.if_nameindex()))"
CONNECTS = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=5)"
# A run that has a shell, the tests of a project and git as children, over each API.
SCENARIOS = "^A failing test is sent to (mistral.rs|the gateway) and corrected$"


def in_namespace(*command: str, within: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    words = [*UNSHARE, sys.executable, "-c", WITH_LOOPBACK, *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=within, check=False)


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    if shutil.which(UNSHARE[0]) is None:
        pytest.skip("there is no unshare (util-linux): no network namespace")
    if (made := subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"this system gives its users no network namespace: {made.stderr.strip()}")


def test_the_namespace_has_nothing_but_loopback() -> None:
    assert in_namespace(sys.executable, "-c", INTERFACES).stdout == "lo\n"
    assert "Network is unreachable" in in_namespace(sys.executable, "-c", CONNECTS).stderr


@pytest.mark.engine
@pytest.mark.skipif(INSTALLED is None, reason="Aider is not installed: `acceptance get aider`")
def test_aider_corrects_a_failing_test_with_nothing_but_loopback(tmp_path: Path) -> None:
    acceptance = str(Path(sys.executable).with_name("acceptance"))
    words = [acceptance, "run", "features/aider/correction.feature", "--name", SCENARIOS]
    words += ["--target", "reference", "--ci", "--strict", "--format", "json"]
    done = in_namespace(*words, "-D", f"acceptance_reports_dir={tmp_path}", within=5 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED: 2 passed, 0 failed, 0 skipped" in done.stdout
