"""`python -m tests.faults.brokers.monitor PORT ...`: connects to each broker every two seconds.

A NATS server that was started again makes itself ready for MQTT when its first client comes. If that is when
another server has died, it waits for more leaders than the others do. A monitor saves it that.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time

CONNECT = bytes.fromhex("100c00044d5154540402000a0000")
DISCONNECT = bytes.fromhex("e000")
EVERY_S = 2.0


def main(ports: list[int]) -> None:
    """Go on until killed."""
    while True:
        for port in ports:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as sock:
                sock.sendall(CONNECT)
                sock.recv(4)
                sock.sendall(DISCONNECT)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]])
