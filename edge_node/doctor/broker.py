"""Whether each address of the broker takes this machine, and why not."""

from __future__ import annotations

import dataclasses
import logging
import time
from concurrent.futures import ThreadPoolExecutor

from edge_node.doctor.finding import Finding
from shared.errors import BrokerError
from shared.mqtt.address import MqttSettings, addresses
from shared.mqtt.client import Client

WITHIN_S = 4.0
"""How long an address may take; a client with several would have tried another one by then, seconds."""


def examine(settings: MqttSettings) -> list[Finding]:
    """Connect to every address as a node does, to all at the same time.

    Raises:
        ConfigError: The settings cannot work.
    """
    each = [dataclasses.replace(settings, url=one.url) for one in addresses(settings)]
    log = logging.getLogger("darner.mqtt")
    before = log.level
    log.setLevel(logging.CRITICAL)  # the report says it
    try:
        with ThreadPoolExecutor(len(each)) as workers:
            return list(workers.map(_try, each))
    finally:
        log.setLevel(before)


def _try(settings: MqttSettings) -> Finding:
    refused: list[BrokerError] = []
    begin = time.monotonic()
    with Client(settings, name="darner-doctor", on_refused=refused.append) as client:
        while not (client.connected or refused or time.monotonic() - begin > WITHIN_S):
            client.wait_connected(0.05)
        took_ms = round((time.monotonic() - begin) * 1000)
        what = f"Broker {client.address}"
        if client.connected:
            found = f"takes connections, MQTT {settings.version}, after {took_ms} ms"
            return Finding(what=what, verdict="good", found=found)
        reason = str(refused[0]) if refused else client.trouble or f"no answer within {WITHIN_S:.0f} s"
    return Finding(what=what, verdict="missing", found="no connection", advice=reason)
