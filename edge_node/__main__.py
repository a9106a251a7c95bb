"""`python -m edge_node`: run an edge node until its sources end or it is told to stop."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from edge_node import __version__, doctor
from edge_node.analytics.analyse import problems
from edge_node.batch import process
from edge_node.capture.readers import describe
from edge_node.config import load, profiles
from edge_node.config.definitions import DefinitionStore
from edge_node.config.live import Controls
from edge_node.config.settings import EdgeConfig, PrometheusSettings
from edge_node.control.commands import Commands
from edge_node.control.handlers import Control
from edge_node.control.identity import NameGuard, check_name
from edge_node.control.reload import Reload, in_force
from edge_node.detect.detector import Detector
from edge_node.detect.devices import on_devices
from edge_node.detect.stages import Detect
from edge_node.machine.vitals import Monitor
from edge_node.outbox.outbox import Outbox
from edge_node.pipeline import Pipeline
from edge_node.publish.bundle import Bundles
from edge_node.publish.homeassistant import HomeAssistant
from edge_node.publish.prometheus import Exporter
from edge_node.publish.publisher import Publisher, new_session, status_message
from edge_node.publish.snapshot_sender import Pictures
from shared import log as logs
from shared.errors import BrokerError, DarnerError
from shared.mqtt.client import Client
from shared.storage import state_folder
from shared.wire import topics
from shared.wire.messages import ModelInfo

log = logging.getLogger("darner.edge")

METRICS_EVERY_S = 5.0
STOP_WITHIN_S = 2.5
"""For the stages; then they are left behind, and half of what a stop may take is left for the farewell."""
SWITCH_S = 2e-4
"""How long a thread may keep the interpreter from others; by default longer than a GPU's inference takes.
With a 3 ms detector 7 to 13 % more frames than 0.5 ms on 16 cores, and as many on two."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_node",
        description=__doc__,
        epilog="`python -m edge_node doctor` says what this machine has and lacks; "
        "`python -m edge_node process` runs video files as fast as possible, to files.",
    )
    parser.add_argument("--config", type=Path, help="YAML file")
    parser.add_argument("--source", help="watch only this: webcam index, URL, video file or image folder")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key, such as mqtt.url=mqtt://HOST:1883",
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print every key and its value in force, and end"
    )
    parser.add_argument("--version", action="version", version=f"darner {__version__}")
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["doctor"]:
        return doctor.main()
    if arguments[:1] == ["process"]:
        return process.main(arguments[1:])
    options = parser.parse_args(arguments)
    logs.setup()
    try:
        read = partial(load.node, options.config, options.source, options.set)
        if options.print_config:
            print(load.as_yaml(read()), end="")
            return 0
        return run(read)
    except DarnerError as error:
        log.error("%s", error)
        return error.exit_code


def run(read: Callable[[], EdgeConfig]) -> int:
    """Run until the sources end or a signal comes.

    Args:
        read: Reads the configuration, now and when it is to be read again.

    Raises:
        DarnerError: The first thing that went wrong and cannot be retried.
    """
    config = read()
    logs.setup(config.log_level, config.log_format)
    sys.setswitchinterval(SWITCH_S)
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
        on_devices(config.model) as detectors,
        Client(config.mqtt, name=f"darner-{config.node}", will=will, on_refused=on_refused) as client,
        Bundles(client, config, detectors[0].class_names, session) as bundles,
        Outbox(client, config.outbox, config.node, config.mqtt.prefix, session) as outbox,
        Pictures(client) as pictures,
        Monitor() as monitor,
    ):
        detector = detectors[0]
        names = detector.class_names
        publisher = Publisher(client, outbox, pictures, config, names, session, bundles.offer)
        controls = Controls(config)
        definitions = DefinitionStore(_zones_path(config), config.cameras)
        batch = config.batch
        detects = [
            Detect(one, config.cameras, controls, batch.wait_ms / 1e3, batch.limit) for one in detectors
        ]
        pipeline = Pipeline(config, detects, publisher, controls, definitions, stop)
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
        _announce(config, detectors, publisher, definitions)
        homeassistant.announce()
        pipeline.start()

        def turn() -> None:
            if hangup.is_set():
                hangup.clear()
                reload.on_signal()
            guard.mend()

        with _exporter(config.prometheus) as exporter:
            _report_until_done(pipeline, publisher, monitor, stop, config.heartbeat_file, turn, exporter)
        client.hurry()
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
    config: EdgeConfig, detectors: Sequence[Detector], publisher: Publisher, definitions: DefinitionStore
) -> None:
    detector = detectors[0]
    devices = ", ".join(one.device for one in detectors)
    target = detector.input_format
    model = ModelInfo(
        name=Path(config.model.name).stem,
        classes=detector.class_names,
        input_width=target.width,
        input_height=target.height,
        layout=detector.layout,
    )
    publisher.announce(model, detector.backend_name, devices, config.tracker.kind, definitions)
    log.info(
        "node %s: %s at %dx%d on %s (%s)",
        config.node,
        model.name,
        target.width,
        target.height,
        detector.backend_name,
        devices,
    )
    if (profile := profiles.choose(config.profile)) is not None:
        log.info("profile %s", profile)
    for name, camera in config.cameras.items():
        log.info("camera %s: %s", name, describe(camera.source))
        for problem in problems(definitions[name].zones, definitions[name].lines, detector.class_names):
            log.warning("camera %s: %s", name, problem)


def _exporter(settings: PrometheusSettings) -> AbstractContextManager[Exporter | None]:
    return nullcontext() if settings.port is None else Exporter(settings.host, settings.port)


def _report_until_done(
    pipeline: Pipeline,
    publisher: Publisher,
    monitor: Monitor,
    stop: threading.Event,
    heartbeat: str | None,
    turn: Callable[[], None],
    exporter: Exporter | None,
) -> None:
    """Publish metrics and touch the heartbeat until the pipeline has ended by itself or is told to."""
    started = next_report = time.monotonic()
    while not stop.is_set() and not pipeline.done.is_set():
        stop.wait(0.1)
        turn()
        if time.monotonic() < next_report + METRICS_EVERY_S:
            continue
        next_report = time.monotonic()
        message = publisher.metrics(next_report - started, pipeline.metrics(), monitor.read())
        if exporter is not None:
            exporter.update(message)
        if heartbeat and pipeline.healthy:
            Path(heartbeat).touch()


if __name__ == "__main__":
    sys.exit(main())
