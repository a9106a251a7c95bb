"""What a first version of such a viewer looks like, to compare with: base64 in JSON, broadcast in a loop.

flask-sock and simple-websocket as they come (compression is on), gunicorn's threads, paho's callback.
"""

from __future__ import annotations

import base64
import json
import queue
import sys
import threading
from typing import Any

import flask
import paho.mqtt.client as paho
from flask_sock import Sock
from gunicorn.app.base import BaseApplication
from paho.mqtt.enums import CallbackAPIVersion

app = flask.Flask(__name__)
sock = Sock(app)
clients: list[Any] = []
frames: queue.Queue[str] = queue.Queue()
waiting: dict[str, Any] = {}


@sock.route("/ws")  # type: ignore[untyped-decorator]  # flask-sock has no types
def live(ws: Any) -> None:
    """Keep a browser until it goes."""
    clients.append(ws)
    try:
        while True:
            ws.receive()
    finally:
        clients.remove(ws)


def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG001 - paho calls it so
    """Boxes come first, then their picture."""
    if message.topic.endswith("/detections"):
        waiting["detections"] = json.loads(message.payload)
    elif message.topic.endswith("/thumbnail") and waiting:
        image = base64.b64encode(message.payload).decode()
        frames.put(json.dumps({**waiting["detections"], "image": image}))


def broadcast() -> None:
    """One list, one loop."""
    while True:
        text = frames.get()
        for ws in clients.copy():
            try:
                ws.send(text)
            except Exception:  # noqa: BLE001, S112 - as such code does
                continue


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """One worker with a thread for each browser."""

    def load_config(self) -> None:
        settings = {
            "bind": f"127.0.0.1:{sys.argv[1]}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": 450,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)
        self.cfg.set("loglevel", "critical")
        self.cfg.set("post_fork", lambda _server, _worker: start())

    def load(self) -> flask.Flask:
        return app


def start() -> None:
    """In the worker, after the fork."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", int(sys.argv[2]))
    client.subscribe("darner/v1/#")
    client.loop_start()
    threading.Thread(target=broadcast, daemon=True).start()


if __name__ == "__main__":
    Server().run()
