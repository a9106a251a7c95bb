"""The fault of a model's file: others take its place, whole and damaged, while the node runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_node.assets.download import sha256
from edge_node.assets.models import BUILT_IN, DEFAULT
from optimization.training.nightly import ask
from shared.mqtt.address import MqttSettings
from tests.faults.edge_settings import NODE
from tests.faults.processes import FaultError
from tests.faults.system import System

TURNS = 5


def put(path: Path, data: bytes) -> None:
    """Let a file take the model's place as `adapt` does it, in one step."""
    new = path.with_name("new.onnx")
    new.write_bytes(data)
    new.replace(path)


def variant(number: int) -> bytes:
    """The built-in model, whose metadata say a number: to append a field to a message adds it (protobuf)."""
    entry = b"\x0a\x04turn\x12" + bytes([len(str(number))]) + str(number).encode()
    return (BUILT_IN / f"{DEFAULT}.onnx").read_bytes() + b"\x72" + bytes([len(entry)]) + entry


@contextmanager
def exchanged(system: System, dice: random.Random) -> Iterator[None]:
    """Have the node load files in turn: whole ones run, and damaged ones leave the last whole one running."""
    settings = MqttSettings(url=f"mqtt://{system.host}:{system.port}")
    for turn in range(TURNS):
        whole = variant(turn)
        put(system.model, whole)
        runs = sha256(system.model)
        said = ask.reload(settings, NODE)
        if (said["state"], said["sha256"]) != ("loaded", runs):
            raise FaultError(f"a whole file was not loaded: {said}")
        damaged = whole[: dice.randrange(1000, len(whole))] if turn % 2 else dice.randbytes(10_000)
        put(system.model, damaged)
        said = ask.reload(settings, NODE)
        if (said["state"], said["sha256"]) != ("refused", runs):
            raise FaultError(f"a damaged file was not refused: {said}")
    put(system.model, variant(TURNS))
    ask.reload(settings, NODE)
    yield
