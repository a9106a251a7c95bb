"""`darner-edge forget`: clear what a node that is gone has left on a broker, also for Home Assistant."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import orjson

from edge_node.config import load
from edge_node.control.identity import holder
from edge_node.publish.homeassistant.gone import platforms_of, shell, with_farewell
from shared import log as logs
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.mqtt.address import MqttSettings
from shared.mqtt.command_line import connected
from shared.program import INTERRUPTED, Parser, called, nobody_reads
from shared.secrets.redact import redact
from shared.wire import topics
from shared.wire.topics import check_id, check_prefix

log = logging.getLogger("darner.forget")

QUIET_S = 0.5
"""When nothing retained has come for this long, the broker has handed out all of it, seconds."""
MOST_S = 30.0
"""How long to wait for what the broker retains, and for its acknowledgements, seconds."""


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and run; return the process's exit code."""
    options = _parser().parse_args(arguments)
    logs.setup("WARNING")
    try:
        _forget(options)
    except BrokenPipeError:  # who reads has seen enough
        nobody_reads()
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("interrupted; what was not cleared yet stays")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{called('darner-edge', 'edge_node')} forget",
        description=__doc__,
        epilog="Run it while Home Assistant runs, so that it removes the devices. The user needs the "
        "rights of the node: with broker/acl, take the node's own user.",
    )
    parser.add_argument("node", metavar="NODE", help="the node's identifier, as in its topics")
    parser.add_argument(
        "--mqtt-url",
        metavar="URL",
        help="the broker, such as mqtt://HOST:1883; a cluster's addresses with commas between them",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file with the broker and homeassistant.prefix"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--force", action="store_true", help="also clear a node that is running")
    return parser


def _forget(options: argparse.Namespace) -> None:
    node = check_id("NODE", options.node)
    if options.mqtt_url is not None and any(one.startswith("mqtt.url=") for one in options.set):
        raise ConfigError("--mqtt-url and --set mqtt.url are both given: leave out one of them")
    own = [] if options.mqtt_url is None else [f"mqtt.url={options.mqtt_url}"]
    config = load.configuration(options.config, [*options.set, *own])
    discovery = check_prefix(config.homeassistant.prefix, "homeassistant.prefix")
    found = _retained(config.mqtt, node, discovery)
    if not found:
        print(f"{redact(config.mqtt.shown)} retains nothing of a node {node!r}.")
        return
    if not options.force and holder(config.mqtt, node, "", "forget") is not None:
        raise BrokerError(f"node {node!r} is running: stop it first, or add --force")
    print("\n".join(_listed(found, node, config.mqtt)), flush=True)
    if not options.yes and not _agreed():
        print("Nothing was cleared.")
        return
    _clear(config.mqtt, found)
    left = _retained(config.mqtt, node, discovery)
    if left:
        raise BrokerError(
            f"{len(left)} of {len(found)} topics are still there, such as {next(iter(left))}: this user may "
            "not clear them by the broker's access control list, or somebody has published them again"
        )
    print(f"Cleared {len(found)} topics.")


def _retained(settings: MqttSettings, node: str, discovery: str) -> dict[str, bytes]:
    """The topics that the broker retains of a node; devices for Home Assistant come first.

    Returns:
        By topic, what is to be said there before it is cleared; b"": nothing.
    """
    devices = [
        row.filter(discovery).replace("+", node, 1) for row in (topics.NODE_DISCOVERY, topics.DISCOVERY)
    ]
    state = f"{settings.prefix}/{node}/"
    mirrored = f"{node}/{topics.ONVIF_EVENT.pattern}/"
    found: dict[str, bytes] = {}
    with connected(settings, "darner-forget", *devices, f"{state}#", f"{mirrored}#") as client:
        until = time.monotonic() + MOST_S
        while time.monotonic() < until:
            try:
                received = client.received.get(QUIET_S)
            except TimeoutError:
                break
            if not (received.retain and received.payload):
                continue
            path = received.topic
            if path.startswith((state, mirrored)):
                found[path] = b""
            elif (before := platforms_of(received.payload)) is not None:
                found[path] = orjson.dumps(with_farewell(shell(path, discovery), before))
    return dict(sorted(found.items(), key=lambda one: (one[0].startswith(state), one[0])))


def _listed(found: Mapping[str, bytes], node: str, settings: MqttSettings) -> Iterable[str]:
    """What will be cleared, in words: Home Assistant's devices, and the topics by their first levels."""
    state = f"{settings.prefix}/{node}/"
    yield f"{redact(settings.shown)} retains {len(found)} topics of node {node}:"
    groups: Counter[str] = Counter()
    for path in found:
        if path.startswith(state):
            levels = path.removeprefix(state).split("/")
            groups["/".join(levels[:2] if levels[0] in ("camera", "ack", "interest") else levels[:1])] += 1
        else:
            mirrored = path.startswith(f"{node}/{topics.ONVIF_EVENT.pattern}/")
            yield f"  {path}  ({'a property of ONVIF' if mirrored else 'a device of Home Assistant'})"
    for place, count in groups.items():
        yield f"  {state}{place}" + (f"/...  ({count} topics)" if place.startswith("camera/") else "")


def _agreed() -> bool:
    if not sys.stdin or not sys.stdin.isatty():
        raise ConfigError("there is nobody to ask whether to clear this: add --yes")
    return input("Clear all of it? [y/N] ").strip().lower() in ("y", "yes")


def _clear(settings: MqttSettings, found: Mapping[str, bytes]) -> None:
    farewells = {path: farewell for path, farewell in found.items() if farewell}
    with connected(settings, "darner-forget") as client:
        for said in (farewells, dict.fromkeys(found, b"")):
            for path, payload in said.items():
                client.set_state(topics.INFO, path, payload)  # the row says QoS 1, as all retained state has
            if not client.finish(MOST_S):
                raise BrokerError(
                    f"{redact(settings.shown)} has not confirmed everything in {MOST_S:.0f} s: run this again"
                )
