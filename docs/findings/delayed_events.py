"""Events of a stream wait for an acknowledgement: TCP_NODELAY is off (0.8.1)

Steps: on a connection that has already served some streams, request a stream of 32 tokens or more, and
count the TCP segments in which its events come.

Expected: each event is sent when its token is there, so there are about as many segments as events.
Server-sent events are meant to be read one by one (HTML standard, server-sent events).

Received: bursts of 8 to 16 events. A small event waits until the client's system has acknowledged the one
before (Nagle's algorithm, RFC 896), and systems delay that by 40 ms (Linux) or more. So the first token is
up to 40 ms late on a connection that is used again: 31.4 ms, and 3.5 ms with a client that acknowledges at
once.

Cause: `axum::serve(listener, app)` in `mistralrs-cli/src/commands/serve.rs` leaves TCP_NODELAY off.
`axum::serve(listener.tap_io(|stream| { let _ = stream.set_nodelay(true); }), app)` switches it on.

The script needs Linux, which counts segments (tcp(7), TCP_INFO), and a model whose tokens are faster than
acknowledgements.
"""

from __future__ import annotations

import json
import socket
import statistics
import struct
import sys
from argparse import Namespace
from collections.abc import Iterator

from _client import Answer, CannotDecide, Defect, Server, run

# `tcpi_data_segs_in` of struct tcp_info (linux/tcp.h).
SEGMENTS = struct.Struct("@152xI")
STREAMS, EVENTS_PER_SEGMENT = 8, 2


def segments(connection: socket.socket) -> int:
    found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SEGMENTS.size)
    return int(SEGMENTS.unpack(found)[0])


def check(options: Namespace) -> Iterator[Defect]:
    if sys.platform != "linux":
        raise CannotDecide("only Linux counts the segments of a connection")
    server = Server(options, "/v1/chat/completions")
    body = json.dumps(server.chat_body("Tell me a story", max_tokens=48, stream=True)).encode()
    connection = server.connection()
    ratios = []
    try:
        connection.connect()
        for _ in range(STREAMS):
            before = segments(connection.sock)
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            events = Answer(200, {}, connection.getresponse().read()).events
            if connection.sock is None or len(events) < 16:
                raise CannotDecide(f"{len(events)} events, then the connection was closed: {events[:1]}")
            ratios.append(len(events) / max(1, segments(connection.sock) - before))
    finally:
        connection.close()
    # The first ones are not delayed: Linux acknowledges at once on a new connection.
    middle = statistics.median(ratios[2:])
    if middle > EVENTS_PER_SEGMENT:
        sent = f"{STREAMS} streams, one after another on one connection"
        yield Defect(sent, f"{middle:.1f} events per TCP segment (median)", f"{EVENTS_PER_SEGMENT} at most")


if __name__ == "__main__":
    run(check, __doc__, "url", "model")
