"""The environment that a program under test gets: quiet, offline, with a home of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from support.settings import ca_file

# What a program may inherit: no user configuration, token or proxy, and no RUST_BACKTRACE, which changes
# messages.
INHERITED_VARIABLES = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "SSL_CERT_DIR",
    "OMP_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
# The discard port (RFC 863) of this machine.
BLACKHOLE_PROXY = "http://127.0.0.1:9"


def child_environment(home: Path, *, rust_log: str | None = None, **more: str) -> Mapping[str, str]:
    """Variables for a child process whose home folder is `home`; `more` adds to them or overrides."""
    environment = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    environment |= {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "HF_HOME": str(home / ".cache" / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        # mistral.rs colours its log even when it goes to a file.
        "NO_COLOR": "1",
        "TERM": "dumb",
        # Not every version honours HF_HUB_OFFLINE: a closed proxy port keeps traffic on the machine.
        "HTTP_PROXY": BLACKHOLE_PROXY,
        "HTTPS_PROXY": BLACKHOLE_PROXY,
        "NO_PROXY": "127.0.0.1,localhost,::1",
    }
    # For a client of a target with https: the CAs to trust, by the name that OpenSSL and Go read.
    if (trusted := ca_file() or os.environ.get("SSL_CERT_FILE")) is not None:
        environment["SSL_CERT_FILE"] = str(trusted)
    if rust_log:
        environment["RUST_LOG"] = rust_log
    return environment | more
