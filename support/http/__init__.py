"""HTTP as it is on the wire: exchanges, framing of streams, contracts of the APIs."""

import sys

# httpx imports its own command line when it can, and with it pygments and rich: 0.2 s in every process.
# None here is "it cannot" (https://docs.python.org/3/reference/import.html#the-module-cache).
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
