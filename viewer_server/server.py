"""Serves the viewer: gunicorn with one worker process, whose connections are in the hands of `serving/`.

The listening socket is made first, so that a taken port is one clear line. Everything is built before
gunicorn forks the worker, and every thread starts after that. SIGTERM and SIGINT end everything within 5 s:
browsers are told, then their sockets are shut.
"""

from __future__ import annotations

import gc
import logging
import mmap
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from typing import Any

import flask
from gunicorn.app.base import BaseApplication
from gunicorn.workers.base import Worker as GunicornWorker

from shared.errors import BrokerError, ConfigError
from shared.files import at_home
from shared.secrets.redact import redact_address
from shared.service.frozen import end_frozen, say_late
from shared.service.notify import Notifier
from shared.service.watchdog import Look, Stage, Watchdog
from shared.storage.folder import state_folder
from viewer_server.access.auth import Access, check_address, read_password
from viewer_server.access.login_file import LoginFile
from viewer_server.access.origin import Origins
from viewer_server.access.proxies import TrustedProxies
from viewer_server.api.alerts.building import alerting_of
from viewer_server.api.endpoint import Endpoint
from viewer_server.api.routes import Parts, label_table, table
from viewer_server.api.schemas.common import LoginInfo
from viewer_server.app import create_app
from viewer_server.config import HistorySettings, HttpSettings, LabelSettings, ViewerConfig
from viewer_server.labelling.desk import Desk
from viewer_server.live.hub import Hub
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.live.state import State
from viewer_server.memory import few_arenas
from viewer_server.mqtt.subscriber import Subscriber
from viewer_server.notify.alerting import Alerting
from viewer_server.pages import LABEL, PAGES
from viewer_server.quotas import Quotas
from viewer_server.serving.door import Door
from viewer_server.serving.limits import limits_for
from viewer_server.serving.peers import Peers
from viewer_server.stored.history import History
from viewer_server.stored.reading import Database
from viewer_server.stored.snapshots import SnapshotStore
from viewer_server.stored.versions import Versions

log = logging.getLogger("darner.viewer")

BACKLOG = 1024
"""Connections that wait in the kernel to be accepted; one too many is tried again after a second."""
OPEN_S = 600
"""gunicorn replaces a worker that is silent for longer; converting a large old history may take minutes."""
STOP_S = 4
"""How long gunicorn lets the worker stop before it kills it."""
GOODBYE_S = 1.0
"""How long browsers have to hang up before their sockets are shut."""


def run(config: ViewerConfig) -> int:
    """Serve until a signal arrives.

    Returns:
        The exit code: 0 after a signal, another one when the broker refused the viewer.

    Raises:
        ConfigError: The viewer cannot listen on the address, or another setting cannot work.
    """
    master = os.getpid()
    failure = mmap.mmap(-1, 1)  # written by the worker, read here

    def broker_refused(error: BrokerError) -> None:
        log.error("%s", error)
        failure[0] = error.exit_code
        os.kill(os.getppid(), signal.SIGTERM)

    desk = _desk(config.label)
    hello = {
        "version": version("darner"),
        "broker": ",".join(map(redact_address, config.mqtt.urls)),
        "prefix": config.mqtt.prefix,
    }
    quotas = Quotas(config.quotas)
    hub = Hub(State(config.mqtt.prefix, quotas), config.http.max_browsers, hello)
    metrics = ViewerMetrics(hub)
    history = History(config.history, quotas=quotas)
    alerting = alerting_of(config, hub, metrics, history)
    subscriber = (
        None if config.label.only else _subscriber(config, hub, metrics, history, quotas, broker_refused)
    )
    listener = listen(config.http.host, config.http.port)
    place, port = listener.getsockname()[:2]
    check_address(config.http, place)
    origins = Origins(config.http.allowed_origins)
    access, password = _logins(config.http, origins, port)
    table, shown = _table(config.history, hub, subscriber, alerting, access, desk)
    app = create_app(hub, metrics, subscriber, origins, access, table, shown)
    app.wsgi_app = TrustedProxies(app.wsgi_app, config.http.trusted_proxies)  # type: ignore[method-assign]  # as Flask's documentation says
    print(f"Darner's viewer: {address(listener)}", flush=True)
    if password:
        print(f"Its password, shown this once: {password}", flush=True)
    # The garbage collector writes into every object that it visits. Its first full run in the worker, after
    # some 10,000 messages, copied 11 MB that both processes share. Frozen objects are not visited.
    gc.freeze()
    few_arenas()
    try:
        _Server(config, listener, app, hub, subscriber, alerting, metrics).run()
    except SystemExit as stop:  # gunicorn ends this way, the forked worker too
        return failure[0] if os.getpid() == master and failure[0] else int(stop.code or 0)
    return failure[0]


def _desk(label: LabelSettings) -> Desk | None:
    if label.path is None:
        if label.only:
            raise ConfigError("label.only is true and label.path is not set: name the folder of pictures")
        return None
    return Desk(at_home(label.path))


def _subscriber(
    config: ViewerConfig,
    hub: Hub,
    metrics: ViewerMetrics,
    history: History,
    quotas: Quotas,
    refused: Callable[[BrokerError], None],
) -> Subscriber:
    versions = Versions(config.history.zones_file, quotas)
    snapshots = SnapshotStore(config.history, quotas)
    return Subscriber(config.mqtt, hub, metrics, history, refused, versions, snapshots)


def _logins(http: HttpSettings, origins: Origins, port: int) -> tuple[Access, str | None]:
    """Who may look, and the password if one was generated just now."""
    kept = LoginFile(state_folder() / "viewer-login.json")
    generate = http.generate_password and not read_password(http)
    password = kept.generate_password() if generate else None
    return Access(http, kept, origins, port), password


def _table(
    history: HistorySettings,
    hub: Hub,
    subscriber: Subscriber | None,
    alerting: Alerting,
    access: Access,
    desk: Desk | None,
) -> tuple[tuple[Endpoint, ...], dict[str, str]]:
    """The endpoints, and the names of the pages by address."""
    login = LoginInfo(login_required=access.required, version=version("darner"))
    if subscriber is None:
        return label_table(desk, login) if desk else (), LABEL
    parts = Parts(
        hub=hub,
        requests=subscriber.requests,
        media=subscriber.media,
        versions=subscriber.versions,
        history=Database(history.file),
        pictures=Database(history.snapshots_file),
        alerting=alerting,
        login=login,
    )
    return (*table(parts), *(label_table(desk) if desk else ())), PAGES | (LABEL if desk else {})


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: The port is taken, or the host is not one of this machine's addresses.
    """
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        return socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        # Python adds the address to a socket error's text; a name resolver's errors have numbers below 0.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError(
            f"cannot listen on {host}:{port}: {reason}; choose another http.host or http.port"
        ) from None


def address(listener: socket.socket) -> str:
    """The address to open in a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured by these settings only: no file, no environment, no command line."""

    def __init__(
        self,
        config: ViewerConfig,
        listener: socket.socket,
        app: flask.Flask,
        hub: Hub,
        subscriber: Subscriber | None,
        alerting: Alerting,
        metrics: ViewerMetrics,
    ) -> None:
        self._listener = listener
        self._app = app
        self.hub = hub
        self.subscriber, self.alerting = subscriber, alerting
        self.metrics = metrics
        # Made before gunicorn runs, which would say that it is ready before there is a worker.
        self.supervisor = Notifier()
        self.peers = Peers(config.http.trusted_proxies)
        self.limits = limits_for(config.http.max_browsers)
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": "viewer_server.server.Worker",
            "workers": 1,
            "graceful_timeout": STOP_S,
            "timeout": OPEN_S,
            "loglevel": "warning",
            "proc_name": "darner-viewer",
            "control_socket_disable": True,
            # Which proxies are believed is decided in access/proxies.py.
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
        }
        for name, value in settings.items():
            if name in self.cfg.settings:  # the oldest supported gunicorn lacks the last one
                self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        return self._app


class Worker(GunicornWorker):  # type: ignore[misc]
    """Runs the subscriber, and lets clients in."""

    turns = 0

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - gunicorn's signature
        """On SIGTERM. The wait in `run` ends, because gunicorn has Python write a byte for each signal."""
        self.alive = False

    def handle_quit(self, sig: int, frame: Any) -> None:
        """On SIGINT and SIGQUIT: the same as on SIGTERM."""
        self.handle_exit(sig, frame)

    def run(self) -> None:
        """Serve with the subscriber running, until a signal comes or the master process is gone."""
        program: _Server = self.app
        door = Door(
            self.sockets, self.cfg, self.wsgi, program.peers, program.limits,
            count=lambda why: program.metrics.cut.labels(why).inc(),
        )  # fmt: skip
        with ExitStack() as stack:
            if program.subscriber is not None:
                stack.enter_context(program.subscriber)
                stack.enter_context(program.alerting)
            stack.callback(door.close)
            stack.callback(program.hub.close)
            door.open(self.PIPE[0])
            stack.enter_context(self._watchdog(program))
            program.supervisor.ready("serves browsers")
            while self.alive and self.ppid == os.getppid():
                self.notify()
                door.turn()
            program.supervisor.stopping()
            self._end(door, program)

    def notify(self) -> None:
        """Tell gunicorn, and the watchdog, that the main thread gets on."""
        super().notify()
        self.turns += 1

    def _watchdog(self, program: _Server) -> Watchdog:
        stages = [Stage("main", lambda: Look(self.turns))]
        if program.subscriber is not None:
            stages += [
                Stage("subscriber", program.subscriber.look),
                Stage("mqtt", program.subscriber.look_at_network),
            ]
        return Watchdog(stages, partial(say_late, log), partial(end_frozen, log), program.supervisor.well)

    def _end(self, door: Door, program: _Server) -> None:
        door.stop_listening()
        if program.subscriber is not None:
            program.subscriber.requests.close()
        program.hub.close()
        begin = time.monotonic()
        for limit_s, then in ((GOODBYE_S, program.hub.cut), (2 * GOODBYE_S, lambda: None)):
            while not door.is_empty and time.monotonic() - begin < limit_s:
                self.notify()
                door.turn(0.05)
            then()
