"""Asking a server whether it takes connections, in PostgreSQL's frontend/backend protocol.

libpq has PQping for this, but psycopg keeps the interpreter's lock while that waits: one slow
answer would stop every thread of the program.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

ANSWER_LIMIT_S = 5.0
MESSAGE_LIMIT_BYTES = 65536

PROTOCOL_3_0 = 3 << 16
CANNOT_CONNECT_NOW = b"C57P03"
"""The error field of a server that starts, recovers or stops."""

TERMINATE = b"X" + struct.pack("!i", 4)


def takes_connections(path: Path, user: str, database: str) -> bool:
    """Tell whether a server behind a unix socket takes connections, or refuses only this one.

    A server whose connections are all in use runs too.
    """
    parameters = f"user\0{user}\0database\0{database}\0\0".encode()
    startup = struct.pack("!ii", 8 + len(parameters), PROTOCOL_3_0) + parameters
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_LIMIT_S)
            connection.connect(str(path))
            connection.sendall(startup)
            return _is_welcome(connection)
    except OSError:
        return False  # nobody listens, or nobody answers in time


def _is_welcome(connection: socket.socket) -> bool:
    """Read up to an error, or to where the server is ready for a query."""
    with connection.makefile("rb") as answers:
        while len(header := answers.read(5)) == 5:
            kind, size_bytes = struct.unpack("!ci", header)
            if not 4 <= size_bytes <= MESSAGE_LIMIT_BYTES:
                return False
            body = answers.read(size_bytes - 4)
            if kind == b"E":
                return CANNOT_CONNECT_NOW not in body.split(b"\0")
            if kind == b"Z":
                connection.sendall(TERMINATE)
                return True
    return False
