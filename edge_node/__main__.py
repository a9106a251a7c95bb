"""`python -m edge_node`: run an edge node until its sources end or it is told to stop."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from edge_node import __version__
from edge_node.analytics import problems
from edge_node.bundle import Bundles
from edge_node.capture import check_source, describe
from edge_node.commands import Commands
from edge_node.config import EdgeConfig
from edge_node.control import Control
from edge_node.definitions import DefinitionStore
from edge_node.detector import Detector
from edge_node.homeassistant import HomeAssistant
from edge_node.identity import NameGuard, check_name
from edge_node.live import Controls
from edge_node.outbox import Outbox
from edge_node.pictures import Pictures
from edge_node.pipeline import Pipeline
from edge_node.publisher import Publisher, new_session, status_message
from edge_node.reload import Reload, in_force
from shared import log as logs
from shared import settings, topics
from shared.errors import BrokerError, ConfigError, DarnerError
from shared.messages import ModelInfo
from shared.mqtt import Client
from shared.storage import state_folder

log = logging.getLogger("darner.edge")

METRICS_EVERY_S = 5.0
STOP_WITHIN_S = 4.0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m edge_node", description=__doc__)
    parser.add_argument("--config", type=Path, help="YAML file")
    parser.add_argument("--source", help="watch only this: webcam index, URL, video file or image folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, such as mqtt.url=mqtt://HOST:1883",
    )
    parser.add_argument("--version", action="version", version=f"darner {__version__}")
    options = parser.parse_args(arguments)
    logs.setup()
    try:
        return run(partial(load, options.config, options.source, options.set))
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code


def load(file: Path | None, source: str | None, overrides: list[str]) -> EdgeConfig:
    """The configuration from file, environment and flags.

    Raises:
        ConfigError: Something in it cannot work.
        SourceError: A file or folder to read is missing.
    """
    if source is not None:
        overrides = [*overrides, f"cameras={{camera: {{source: {json.dumps(source)}}}}}"]
    config = settings.load(EdgeConfig, file=file, environment=os.environ, overrides=overrides)
    if not config.cameras:
        raise ConfigError(
            "no cameras: give --source 0 (a webcam), a file or a URL, or a configuration with --config"
        )
    for name, camera in config.cameras.items():
        check_source(name, camera.source)
        shared_names = camera.zones.keys() & camera.lines.keys()
        if shared_names:
            raise ConfigError(
                f"cameras.{name}: {sorted(shared_names)[0]!r} is both a zone and a line; rename one"
            )
    return config


def run(read: Callable[[], EdgeConfig]) -> int:
    """Run until the sources end or a signal comes.

    Args:
        read: Reads the configuration, now and when it is to be read again.

    Raises:
        DarnerError: The first thing that went wrong and cannot be retried.
    """
    config = read()
    logs.setup(config.log_level)
    stop, hangup = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if sys.stdin is None or not sys.stdin.isatty():  # in a terminal it means that the user has gone
        signal.signal(signal.SIGHUP, lambda *_: hangup.set())
    refused: list[BrokerError] = []

    def on_refused(error: BrokerError) -> None:
        refused.append(error)
        stop.set()

    session = new_session()
    check_name(config.mqtt, config.node, session)
    will = (
        topics.STATUS.path(config.mqtt.prefix, node=config.node),
        status_message(config.node, session, "offline"),
    )
    with (
        Detector(config.model) as detector,
        Client(config.mqtt, name=f"darner-{config.node}", will=will, on_refused=on_refused) as client,
        Bundles(client, config, detector.class_names, session) as bundles,
        Outbox(client, config.outbox, config.node, config.mqtt.prefix, session) as outbox,
        Pictures(client) as pictures,
    ):
        names = detector.class_names
        publisher = Publisher(client, outbox, pictures, config, names, session, bundles.offer)
        controls = Controls(config)
        definitions = DefinitionStore(_zones_path(config), config.cameras)
        pipeline = Pipeline(config, detector, publisher, controls, definitions, stop)
        homeassistant = HomeAssistant(client, in_force(config, definitions))
        reload = Reload(read, config, names, controls, definitions, pipeline, publisher, homeassistant)
        guard = NameGuard(client, config.mqtt.prefix, config.node, session, on_refused)
        guard.subscribe()
        control = Control(pipeline, publisher, detector, controls, definitions, reload.announce_zones)
        handlers = {**control.handlers(), "reload": reload.command}
        handlers["ping"] = guard.watched(handlers["ping"])
        others = [guard.handle, homeassistant.handle, outbox.handle]
        commands = Commands(client, config.mqtt.prefix, config.node, session, handlers, others)
        commands.subscribe()
        threading.Thread(target=commands.run, name="commands", daemon=True).start()
        _announce(config, detector, publisher, definitions)
        homeassistant.announce()
        pipeline.start()

        def turn() -> None:
            if hangup.is_set():
                hangup.clear()
                reload.on_signal()
            guard.mend()

        _report_until_done(pipeline, publisher, stop, config.heartbeat_file, turn)
        stuck = pipeline.join(STOP_WITHIN_S)
        if guard.yielded:
            publisher.withdraw()
        else:
            publisher.farewell()
    error = pipeline.error or (refused[0] if refused else None)
    if error is not None:
        raise error
    log.info("stopped")
    if stuck:
        # A thread that hangs in a camera's driver would hold the interpreter back for ever.
        log.warning("did not end in %.0f s: %s", STOP_WITHIN_S, ", ".join(stuck))
        logging.shutdown()
        os._exit(0)
    return 0


def _zones_path(config: EdgeConfig) -> Path | None:
    if config.zones_file == "auto":
        return state_folder() / f"zones-{config.node}.json"
    return None if config.zones_file is None else Path(config.zones_file)


def _announce(
    config: EdgeConfig, detector: Detector, publisher: Publisher, definitions: DefinitionStore
) -> None:
    target = detector.input_format
    model = ModelInfo(
        name=Path(config.model.name).stem,
        classes=detector.class_names,
        input_width=target.width,
        input_height=target.height,
        layout=detector.layout,
    )
    publisher.announce(model, detector.backend_name, detector.device, config.tracker.kind, definitions)
    log.info(
        "node %s: %s at %dx%d on %s (%s)",
        config.node,
        model.name,
        target.width,
        target.height,
        detector.backend_name,
        detector.device,
    )
    for name, camera in config.cameras.items():
        log.info("camera %s: %s", name, describe(camera.source))
        for problem in problems(definitions[name].zones, definitions[name].lines, detector.class_names):
            log.warning("camera %s: %s", name, problem)


def _report_until_done(
    pipeline: Pipeline,
    publisher: Publisher,
    stop: threading.Event,
    heartbeat: str | None,
    turn: Callable[[], None],
) -> None:
    """Publish metrics and touch the heartbeat until the pipeline has ended by itself or is told to."""
    process = psutil.Process()
    process.cpu_percent()  # the first call only starts the measurement
    started = next_report = time.monotonic()
    while not stop.is_set() and not pipeline.done.is_set():
        stop.wait(0.1)
        turn()
        if time.monotonic() < next_report + METRICS_EVERY_S:
            continue
        next_report = time.monotonic()
        publisher.metrics(
            next_report - started,
            pipeline.metrics(),
            process.cpu_percent(),
            round(process.memory_info().rss / 1e6, 1),
        )
        if heartbeat and pipeline.healthy:
            Path(heartbeat).touch()


if __name__ == "__main__":
    sys.exit(main())
