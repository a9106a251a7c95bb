"""The options with which command-line tools reach a broker."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared import settings
from shared.errors import BrokerError, ConfigError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.mqtt.link.route import first_connection_s
from shared.mqtt.received import Received

CONNECT_WITHIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class ToolConfig:
    """The part of a configuration that says how to reach a broker."""

    mqtt: MqttSettings = field(default_factory=MqttSettings)


def add_broker_options(parser: argparse.ArgumentParser) -> None:
    """Give a tool ``--broker``, ``--prefix`` and ``--set``."""
    parser.add_argument(
        "--broker",
        required=True,
        metavar="URL",
        help="mqtt://HOST:PORT or mqtts://HOST:PORT; a cluster's addresses with commas between them",
    )
    parser.add_argument("--prefix", help="first levels of every topic (default darner/v1)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a connection setting, such as mqtt.username=reader or mqtt.ca_file=ca.pem; "
        "the environment can set them, too: DARNER_MQTT__PASSWORD_FILE=FILE",
    )


def broker_settings(options: argparse.Namespace) -> MqttSettings:
    """The settings that the options and the environment give.

    Raises:
        ConfigError: A setting is unknown or cannot work.
    """
    ours = {name: value for name, value in os.environ.items() if name.startswith("DARNER_MQTT__")}
    for option, key in (("broker", "mqtt.url"), ("prefix", "mqtt.prefix")):
        if getattr(options, option) is not None and any(item.startswith(f"{key}=") for item in options.set):
            raise ConfigError(f"--{option} and --set {key} are both given: leave out one of them")
    chosen = [f"mqtt.url={options.broker}"]
    if options.prefix is not None:
        chosen.append(f"mqtt.prefix={options.prefix}")
    return settings.load(ToolConfig, environment=ours, overrides=[*options.set, *chosen]).mqtt


@contextmanager
def connected(
    wanted: MqttSettings,
    name: str,
    *subscriptions: str,
    sink: Callable[[Received], None] | None = None,
) -> Iterator[Client]:
    """A client that the broker has accepted, and whose subscriptions to these topic filters it has, too.

    Live messages keep the retain flag of their publisher, so that it can be checked and recorded.

    Args:
        wanted: The broker.
        name: The client id begins with it.
        subscriptions: Topic filters.
        sink: Called with each message from the network thread, where the client's channel is not to have it.

    Raises:
        BrokerError: The broker refuses us or does not answer.
    """
    refused: list[BrokerError] = []
    done = threading.Event()

    def on_refused(error: BrokerError) -> None:
        refused.append(error)
        done.set()

    with Client(wanted, name=name, on_refused=on_refused, sink=sink) as client:
        for topic_filter in subscriptions:
            client.subscribe(topic_filter, 1, as_published=True)
        for _ in range(round(first_connection_s(wanted, CONNECT_WITHIN_S) / 0.1)):
            if client.wait_subscribed(0.1) or done.is_set():
                break
        if not client.connected:
            raise refused[0] if refused else BrokerError(f"no broker answers at {wanted.shown}")
        yield client
