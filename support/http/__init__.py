"""HTTP at the level of bytes: requests, exact responses, framing of streams.

answer_stream    streams of the APIs: tokens, usage, errors, end, time to first token
body_limit       the limit of what is read of a response
client           `ApiClient`: sends requests, keeps every exchange
deadline         deadlines for work that blocks
exchange         `Exchange`: a request and its response as bytes, with times
framing          frames of streams: server-sent events, newline-delimited JSON
recorder         records the exchanges of other clients on httpx
recording_proxy  a reverse proxy that passes on, records, and injects faults
responsiveness   servers that no longer answer: after three requests in a row no more are sent
"""

import sys

# httpx imports its own command line when it can, and with it pygments and rich: 0.2 s in every process.
# None here is "it cannot" (https://docs.python.org/3/reference/import.html#the-module-cache).
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
