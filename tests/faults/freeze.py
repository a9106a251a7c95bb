"""Makes one stage of an edge node stand still: its thread waits for a lock that nobody releases."""

from __future__ import annotations

import importlib
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

STAGES = {
    "read": ("edge_node.capture.readers.video", "Video.read", ""),
    "capture": ("edge_node.detect.stages", "Detect.ready", ""),
    "infer": ("edge_node.detect.stages", "Detect.submit", ""),
    "watch": ("edge_node.publish.publisher", "Publisher.publish_all", ""),
    "thumbnails": ("edge_node.publish.thumbnails.choosing", "Thumbnails.encode", ""),
    "publish": ("shared.mqtt.client", "Client.publish", "publish"),
    "outbox": ("edge_node.outbox.sender", "Sender.send", ""),
    "disk": ("edge_node.outbox.event_file", "EventFile._transact", ""),
    "snapshots": ("edge_node.outbox.in_flight", "InFlight.renew", "snapshots"),
    "inbox": ("edge_node.control.commands", "Commands.accept", ""),
    "commands": ("edge_node.control.commands", "Commands.answer", ""),
    "mqtt": ("paho.mqtt.client", "Client.loop_misc", ""),
    "subscriber": ("viewer_server.memory", "Trimmer.__call__", ""),
    "main": ("edge_node.control.identity", "NameGuard.mend", ""),
}
"""By stage: module and method of something that it does again and again; its thread, if others do it too."""


def freeze(program: str, request: Path) -> None:
    """Let a stage stand still once a file holds its name: the first thread that takes a step of it.

    Args:
        program: The package whose stages are prepared.
        request: The file.
    """
    for stage, (module, method, thread) in STAGES.items():
        if module.startswith("viewer_server") == (program == "viewer_server"):
            _prepare(stage, module, method, thread, request)


def _prepare(stage: str, module: str, method: str, thread: str, request: Path) -> None:
    owner_name, _, name = method.partition(".")
    owner: Any = getattr(importlib.import_module(module), owner_name)
    original = getattr(owner, name)
    first, never = threading.Lock(), threading.Lock()
    never.acquire()

    def perhaps_frozen(*arguments: Any, **named: Any) -> Any:
        asked = thread in ("", threading.current_thread().name) and request.exists()
        if asked and request.read_text() == stage and first.acquire(blocking=False):
            never.acquire()
        return original(*arguments, **named)

    setattr(owner, name, perhaps_frozen)


def hurry(times: float, program: str) -> None:
    """Let a program's watchdog believe that time runs faster, so that a test need not wait for it.

    Args:
        times: How much faster.
        program: The module that makes the watchdog.
    """
    module: Any = importlib.import_module(program)
    watchdog: Any = importlib.import_module("shared.service.watchdog")
    watchdog.LOOK_EVERY_S /= times
    module.Watchdog = partial(watchdog.Watchdog, clock=lambda: time.monotonic() * times)
