"""Segments of a TCP connection, which show what a server has sent together, however late the client reads."""

from __future__ import annotations

import socket
import struct
import sys

# `tcpi_data_segs_in` of struct tcp_info (linux/tcp.h), in kernels since 4.6.
_DATA_SEGMENTS_IN = struct.Struct("@152xI")


def received_segments(connection: socket.socket) -> int:
    """With data, since it was opened; 0 where the system does not count them (tcp(7), TCP_INFO)."""
    if sys.platform != "linux":
        return 0
    found = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS_IN.size)
    return int(_DATA_SEGMENTS_IN.unpack(found)[0]) if len(found) == _DATA_SEGMENTS_IN.size else 0
