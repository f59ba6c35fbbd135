"""Where the commands of this project serve metrics for Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server

from support.errors import SettingsError
from support.user_files import problem_of

_ADDRESS = re.compile(r"(?P<host>[\w.-]+|\[[\da-fA-F:]+\]):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0 is a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


LOOPBACK = Address("127.0.0.1", 0)


def parse_address(text: str, option: str = "--listen") -> Address:
    """Raises `SettingsError` when it is no address with a port."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise SettingsError(f"{option} {text!r}: give an address and a port, such as 127.0.0.1:9815")
    return Address(found["host"].strip("[]"), int(found["port"]))


@contextmanager
def served(registry: CollectorRegistry, address: Address = LOOPBACK) -> Iterator[str]:
    """Serve the metrics; their URL. Raises `SettingsError` when the address cannot be used."""
    try:
        server, thread = start_http_server(address.port, address.host, registry)
    except OSError as error:
        raise SettingsError(
            f"--listen {address}: {problem_of(error)}; choose another address or port"
        ) from None
    try:
        yield f"http://{Address(address.host, server.server_port)}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
