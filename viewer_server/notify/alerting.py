"""Takes alerts over from the history, keeps them, and has them sent to their targets."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from shared.errors import ConfigError, DarnerError, MessageError
from shared.wire.messages import Event, decode, now_us
from viewer_server.config import HistorySettings
from viewer_server.live.metrics import ViewerMetrics
from viewer_server.notify.alert import KeptAlert, kept
from viewer_server.notify.courier import Courier, Health
from viewer_server.notify.offline import Offline
from viewer_server.notify.parcel import Answer, Naming
from viewer_server.notify.pictures import Pictures
from viewer_server.notify.receivers import test_parcel, wants, way
from viewer_server.notify.store import AlertStore, Outcome, State
from viewer_server.stored import handover
from viewer_server.stored.history import History
from viewer_server.stored.reading import Database
from viewer_server.targets import NotifySettings, TargetSettings

log = logging.getLogger("darner.notify")

LOOK_S, QUIET_S = 0.25, 2.0
"""How often pictures are looked for while some are missing, and how often anything else is looked at."""
AGAIN_S = 1.0
"""After what time the file of alerts is tried again."""
PRUNE_S, PRUNES = 30.0, 20
"""How often what is too much is looked for, and how many parts of it are deleted at once."""
TURN_S = 0.005
"""How long the file is left to those that send, between two parts of a flood that is taken over."""
END_S = 1.0


class Alerting:
    """All targets; `with` begins and ends the sending.

    Args:
        settings: The targets.
        history: Where its alerts come from.
        stored: Where it keeps its files.
        naming: What people call places.
        offline: Finds nodes that are gone; None: nobody looks for them.
        metrics: Counts what is sent; None: nobody reads it.

    Raises:
        ConfigError: A target cannot work, or there are targets and no history.
    """

    def __init__(
        self,
        settings: NotifySettings,
        history: History,
        stored: HistorySettings,
        naming: Naming,
        offline: Offline | None = None,
        metrics: ViewerMetrics | None = None,
    ) -> None:
        if settings.targets and stored.alerts_file is None:
            raise ConfigError(
                "notify.targets: alerts are sent on from the history, and history.path is null; set it"
            )
        self._settings, self._history, self._naming = settings, history, naming
        self._offline, self._made, self._metrics = offline, list[KeptAlert](), metrics
        self._ways = {name: way(name, one) for name, one in settings.targets.items()}
        self._database = Database(stored.file)
        self._pictures = Pictures(Database(stored.snapshots_file))
        self._store = AlertStore(stored.alerts_file or Path("unused"), settings)
        self._couriers: dict[str, Courier] = {}
        self._is_open = self._failing = self._stopping = False
        self._taken = 0
        self._pruned_s = float("-inf")
        self._thread: threading.Thread | None = None
        self.alerts = Database(stored.alerts_file)

    def __enter__(self) -> Alerting:
        if self._history.wanted:
            self._thread = threading.Thread(target=self._run, name="alerting", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping = True
        self._history.handover.news.set()
        ends_s = time.monotonic() + END_S
        if self._thread is not None:
            self._thread.join(END_S)
        for courier in self._couriers.values():
            courier.stop()
        for courier in self._couriers.values():
            courier.join(max(0.0, ends_s - time.monotonic()))
        self._store.__exit__()

    @property
    def is_open(self) -> bool:
        """Whether alerts are kept."""
        return self._is_open

    @property
    def targets(self) -> dict[str, TargetSettings]:
        """The targets of the configuration, by name."""
        return self._settings.targets

    def health(self) -> dict[str, Health]:
        """How each target is."""
        return {
            name: self._couriers[name].health if name in self._couriers else Health() for name in self.targets
        }

    def given_up(self) -> dict[str, int]:
        """How many alerts of each target were deleted while they waited."""
        if not self._is_open:
            return {}
        with suppress(sqlite3.Error):
            return self._store.given_up()
        return {}

    def add(self, alerts: Iterable[KeptAlert]) -> None:
        """Keep alerts, and have them sent.

        Raises:
            sqlite3.Error: They cannot be kept.
        """
        found = [(alert, self._receivers(alert)) for alert in alerts]
        jpegs = self._pictures.there([alert for alert, _ in found])
        numbers = self._store.add(found, now_us(), jpegs)
        for index, (number, (alert, receivers)) in enumerate(zip(numbers, found, strict=True)):
            if not number:
                continue
            if index not in jpegs:
                self._pictures.expect(number, alert)
            for name, state in receivers:
                if state == "waiting" and name in self._couriers:
                    self._couriers[name].put((alert.node, alert.rule), number)

    def again(self, *, alert: int | None = None, target: str | None = None) -> int:
        """Try again at once what waits or was given up; how many deliveries there are.

        Raises:
            NotKept: There is no file of alerts.
        """
        with self._kept():
            found = self._store.undelivered(("waiting", "dropped"), alert=alert, target=target)
            found = {name: numbers for name, numbers in found.items() if name in self._couriers}
            for name, numbers in found.items():
                at_us = now_us()
                self._store.note(name, numbers, Outcome("waiting", at_us, "", at_us, attempts=0))
                for number, one in self._store.load(numbers):
                    self._couriers[name].put((one.node, one.rule), number)
                self._couriers[name].hasten()
        return sum(map(len, found.values()))

    def drop(self, *, alert: int | None = None, target: str | None = None) -> int:
        """Give up what waits; how many deliveries there were.

        Raises:
            NotKept: There is no file of alerts.
        """
        with self._kept():
            found = self._store.undelivered(("waiting",), alert=alert, target=target)
            for name, numbers in found.items():
                self._store.note(name, numbers, Outcome("dropped", now_us(), "given up by hand", attempts=0))
                if name in self._couriers:  # else it is no longer in the configuration
                    self._couriers[name].forget(numbers)
        return sum(map(len, found.values()))

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Refuse what cannot be done now."""
        if not self._is_open:
            raise NotKept
        try:
            yield
        except sqlite3.Error as error:
            raise NotKept(error) from None

    def test(self, name: str) -> tuple[Answer, int]:
        """Send a message that says it is a test; the answer, and the milliseconds that it took."""
        courier = self._couriers.get(name)
        if courier is None:
            raise NotKept
        return courier.test(test_parcel(now_us(), self._settings.link))

    def _receivers(self, alert: KeptAlert) -> list[tuple[str, State]]:
        """The targets that an alert is for, and how each delivery begins."""
        found: list[tuple[str, State]] = [
            (name, "waiting") for name, target in self.targets.items() if wants(name, target, alert)
        ]
        missing = dict.fromkeys(name for name in alert.notify or () if name not in self.targets)
        return [*found, *((name, "unknown") for name in missing)]

    def _run(self) -> None:
        """Take over, look for pictures and prune until the end; nothing may end it but that."""
        news = self._history.handover.news
        while not self._stopping:
            try:
                self._look()
                if self._failing:
                    log.warning("alerts are kept and sent again")
                    self._failing = False
            except (OSError, sqlite3.Error, DarnerError) as error:
                if not self._failing and not self._stopping:
                    log.error("alerts cannot be kept (%s): they wait in the history, and are not sent", error)
                self._failing = True
            except Exception:
                log.exception("alerts are not taken over for a moment through a fault in the viewer")
                self._failing = True
            news.wait(AGAIN_S if self._failing else LOOK_S if self._pictures.missing else QUIET_S)
            if self._failing and not self._stopping:
                time.sleep(LOOK_S)
            news.clear()

    def _look(self) -> None:
        if not self._is_open:
            self._open()
        if not self._is_open:
            return
        while self._take_over() and not self._stopping:
            time.sleep(TURN_S)
        if self._offline is not None:
            self._made += self._offline.look(now_us(), self._store.outage, self._store.end_outage)
            if self._made:
                self.add(self._made)
                self._made.clear()
        if self._pictures.missing:
            jpegs = self._pictures.look()
            self._store.add_pictures(jpegs)
            self._pictures.settled(jpegs)
            for courier in self._couriers.values():  # one may have waited long enough, too
                courier.wake()
        if time.monotonic() >= self._pruned_s + PRUNE_S:
            self._prune()

    def _prune(self) -> None:
        """Delete what is too old or too much; the next look goes on while there is more."""
        for _ in range(PRUNES):
            gone = self._store.prune(now_us())
            for courier in self._couriers.values():
                courier.forget(gone)
            if not gone:
                self._pruned_s = time.monotonic()
                return

    def _open(self) -> None:
        """Open the file, and start the couriers; not while another viewer may have the history."""
        if not self._history.is_open:
            return
        self._store.__enter__()
        since_us = now_us() - int(Pictures.KEEP_S * 1e6)
        try:
            for number, alert, stored_us in self._store.without_picture(since_us):
                self._pictures.expect(number, alert, max(0.0, (now_us() - stored_us) / 1e6))
            for name in self.targets:
                courier = self._couriers[name] = self._courier(name)
                courier.start()
        except BaseException:
            for courier in self._couriers.values():
                courier.stop()
            self._couriers.clear()
            self._store.__exit__()
            raise
        self._is_open = True

    def _courier(self, name: str) -> Courier:
        most = self.targets[name].most
        store, settings, ready = self._store, self._settings, self._pictures.ready
        count = partial(self._count, name)
        courier = Courier(name, self._ways[name], most, store, settings, self._naming, ready, count)
        if self._metrics is not None:
            self._metrics.alerts_waiting.labels(name).set_function(lambda: courier.health.waiting)
        return courier

    def _count(self, name: str, result: str) -> None:
        if self._metrics is not None:
            self._metrics.alerts_sent.labels(name, result).inc()

    def _take_over(self) -> int:
        """Take alerts over from the history; how many."""
        with self._database.reading() as db:
            rows = handover.waiting(db, self._taken)
        if not rows:
            return 0
        self.add(alert for row in rows if (alert := _read(row[2])) is not None)
        self._taken = rows[-1][0]
        self._history.handover.taken(self._taken)
        return len(rows)


class NotKept(DarnerError):  # noqa: N818 - an answer, not a failure
    """There is no file of alerts, or it cannot be used now."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(f"alerts cannot be kept now{f': {error}' if error else ''}; see the viewer's log")


def _read(payload: bytes) -> KeptAlert | None:
    try:
        return kept(decode(Event, payload))
    except MessageError:  # stored by another version of Darner
        return None
