"""A server on loopback that takes notifications, or treats them badly."""

import socket
import time
from dataclasses import dataclass, field

from raw_server import RawServer


@dataclass
class Listener:
    """A server that answers each POST as it is told, and keeps what came."""

    answer: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    server: RawServer = field(init=False)

    def serve(self, connection: socket.socket) -> None:
        head, _, body = self.server.received.partition(b"\r\n\r\n")
        self.server.received = b""
        lines = head.decode().lower().split("\r\n")
        length = next(int(line[16:]) for line in lines if line.startswith("content-length: "))
        while len(body) < length:
            body += connection.recv(4096)
        self.heads.append(head.decode())
        self.bodies.append(body)
        connection.sendall(self.answer)

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server.port}"


def silent(connection: socket.socket) -> None:
    """Take what comes, and never answer."""
    connection.recv(1 << 20)
    time.sleep(30)
