"""A KServe server that goes away, in few lines; `test_engines.py` asks a real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from edge_node.backends.preprocess import InputFormat
from edge_node.config.model_settings import ModelSettings
from shared.errors import ModelError

kserve = pytest.importorskip(
    "edge_node.backends.kserve",
    reason="tritonclient is not installed; `make test-engines` makes an environment that has it",
    exc_type=ImportError,
)
TENSORS = {
    "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 3, 4, 4]}],
    "outputs": [{"name": "rows", "datatype": "FP32", "shape": [-1, 1, 1]}],
}


class _Answers(BaseHTTPRequestHandler):
    """Closes each connection, so that no answer comes once the server is gone."""

    def do_GET(self) -> None:
        told = {"name": "few lines", "version": "1", "extensions": []} if self.path == "/v2" else TENSORS
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_a_server_that_is_away_is_no_longer_asked_after_close(server: HTTPServer) -> None:
    before = set(threading.enumerate())
    backend = kserve.KserveBackend(ModelSettings(name=f"http://127.0.0.1:{server.server_port}/m"))
    server.shutdown()
    server.server_close()
    picture, size = np.zeros((4, 4, 3), np.uint8), InputFormat(4, 4)
    first, _ = (backend.submit([picture], size, None) for _ in range(2))
    asking = [one for one in set(threading.enumerate()) - before if one.name.startswith("network")]
    time.sleep(0.1)
    backend.close()
    (thread,) = asking
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(ModelError, match="no answer"):
        first.collect()
