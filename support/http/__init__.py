"""HTTP as it is on the wire: a client, exchanges, framing of streams."""

import sys

# httpx imports its own command line when it can, and with it pygments and rich: 0.2 s in every process.
# None here is "it cannot" (https://docs.python.org/3/reference/import.html#the-module-cache).
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
