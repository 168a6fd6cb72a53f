"""A program: passes TCP connections on, as something between a process and its database that can be stopped and killed."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading


def main(port: int, host: str, to: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            near, _ = listening.accept()
            far = socket.create_connection((host, to))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=passed, args=(source, sink), daemon=True).start()


def passed(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
