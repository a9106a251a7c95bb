"""Alerts from the history to a real receiver: once by identifier, in order, whatever the receiver does."""

from __future__ import annotations

import base64
import dataclasses
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.certificates import make
from shared.errors import ConfigError
from shared.mqtt.received import Received
from shared.wire.messages import Alert, Event, now_us
from tests.conftest import free_port, wait_until
from tests.viewer_server.notify import receiver as receivers
from tests.viewer_server.notify.receiver import SECRET, answer, receiving
from viewer_server.config import HistorySettings
from viewer_server.notify import listing
from viewer_server.notify.alerting import Alerting
from viewer_server.notify.courier import TESTS
from viewer_server.notify.listing import Listed, Wanted
from viewer_server.notify.pictures import Pictures
from viewer_server.notify.receivers import test_parcel as parcel_of_a_test
from viewer_server.notify.webhook import Webhook
from viewer_server.stored.history import History
from viewer_server.stored.snapshots import SnapshotStore
from viewer_server.targets import NotifySettings, TargetSettings

JPEG = (Path(receivers.__file__).parents[3] / "viewer_server" / "notify" / "test.jpg").read_bytes()


def alert(number: int, *, rule: str = "r", picture: bool = False, **more: Any) -> Event:
    said = {name: more.pop(name) for name in ("severity", "notify") if name in more}
    return Event(
        node="n",
        session="s",
        published_us=now_us(),
        camera="c",
        seq=1,
        captured_us=now_us(),
        event_id=f"n-b-{number}",
        type="alert",
        occurred_us=now_us(),
        boot="b",
        number=number,
        oldest=1,
        track_id=7,
        snapshot="darner/v1/n/camera/c/snapshot/7" if picture else None,
        alert=Alert(rule=rule, trigger="event", text=f"It is {number}", **{"severity": "warning", **said}),
        **more,
    )


class Rig:
    """A history and what sends its alerts on."""

    def __init__(self, folder: Path, settings: NotifySettings) -> None:
        self.stored = HistorySettings(path=str(folder / "h.db"))
        self.history = History(self.stored)
        self.alerting = Alerting(settings, self.history, self.stored, lambda _: {"camera_name": "Door"})
        self.snapshots = SnapshotStore(self.stored)

    def add(self, *events: Event) -> None:
        for event in events:
            self.history.add(event)
        self.history.commit()

    def snapshot(self, track: int) -> None:
        ids = {"node": "n", "camera": "c", "track": str(track)}
        self.snapshots.add(ids, Received("t", JPEG, 1, False, {"session": "s"}))

    def listed(self, **wanted: Any) -> list[Listed]:
        with self.alerting.alerts.reading() as db:
            return listing.page(db, Wanted(**wanted), 500, None)[0]

    def states(self) -> list[str]:
        return [one.state for alert in reversed(self.listed()) for one in alert.deliveries]


def target(url: str, **more: Any) -> TargetSettings:
    return TargetSettings(**{"kind": "webhook", "url": url, "secret": SECRET, "timeout_s": 30.0, **more})


@contextmanager
def running(folder: Path, **targets: TargetSettings) -> Iterator[Rig]:
    rig = Rig(folder, NotifySettings(targets=targets))
    with ExitStack() as stack:
        stack.enter_context(rig.history)
        stack.enter_context(rig.snapshots)
        stack.enter_context(rig.alerting)
        wait_until(lambda: rig.alerting.is_open)
        yield rig


def test_an_alert_arrives_signed_with_its_picture_and_is_noted(tmp_path: Path) -> None:
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        rig.add(alert(1, picture=True), alert(2, rule="other"))
        wait_until(lambda: receiver.ids == ["n-b-2"])
        rig.snapshot(7)
        wait_until(lambda: len(receiver.got) == 2)
        body = receiver.got[1][1]
        assert body["type"] == "alert"
        assert base64.b64decode(body["data"]["picture"]["base64"]) == JPEG
        said = {
            name: body["data"][name] for name in ("text", "rule", "camera", "camera_name", "late", "more")
        }
        assert said == {
            "text": "It is 1",
            "rule": "r",
            "camera": "c",
            "camera_name": "Door",
            "late": False,
            "more": [],
        }
        wait_until(lambda: rig.states() == ["delivered"] * 2)
        [one] = [one for one in rig.listed() if one.alert.rule == "r"]
        assert one.has_picture


def test_an_alert_whose_picture_does_not_come_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pictures, "SEND_S", 0.1)
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        rig.add(alert(1, picture=True))
        wait_until(lambda: rig.states() == ["delivered"])
        assert receiver.got[0][1]["data"]["picture"] is None
        [delivery] = rig.listed()[0].deliveries
        assert delivery.detail == "answered 204 No Content, without its picture, which was too late"


def test_what_waits_survives_a_restart_and_arrives_once_in_order_and_late(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    with running(tmp_path, hook=target(url)) as rig:
        rig.add(alert(1), alert(2), alert(3, historical=True))
        wait_until(lambda: any(one.attempts for a in rig.listed() for one in a.deliveries))
        assert "cannot be reached" in rig.alerting.health()["hook"].detail
    with receiving(port) as receiver, running(tmp_path, hook=target(url)) as rig:
        rig.add(alert(2), alert(4))  # the node sends one again
        wait_until(lambda: len(receiver.got) == 4)
        assert receiver.ids == [f"n-b-{number}" for number in (1, 2, 3, 4)]
        assert [body["data"]["late"] for _, body in receiver.got] == [False, False, True, False]
        wait_until(lambda: rig.states() == ["delivered"] * 4)


def test_a_receiver_that_finds_a_picture_too_large_gets_the_alert_without_it(tmp_path: Path) -> None:
    def fussy(handler: Any, said: dict[str, Any]) -> None:
        answer(413 if said["data"]["picture"] else 204)(handler, said)

    with receiving(behave=fussy) as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        rig.snapshot(7)
        rig.add(alert(1, picture=True))
        wait_until(lambda: rig.states() == ["delivered"])
        assert [bool(said["data"]["picture"]) for _, said in receiver.got] == [True, False]
        assert receiver.ids == ["n-b-1"] * 2
        [delivery] = rig.listed()[0].deliveries
        assert delivery.detail == "answered 204 No Content, without the picture, which was too large for it"


def test_a_receiver_that_refuses_a_picture_before_it_has_read_it_gets_the_alert_without_it() -> None:
    class Fussy(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b"".join(iter(self.rfile.readline, b"\r\n")).lower()
            large = int(head.partition(b"content-length:")[2].split()[0]) > 100_000
            self.wfile.write(b"HTTP/1.1 413 Too Large\r\n\r\n" if large else b"HTTP/1.1 204 Fine\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Fussy) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        way = Webhook("k", target(f"http://127.0.0.1:{server.server_address[1]}/"))
        answered = way.send(
            dataclasses.replace(parcel_of_a_test(now_us(), None), jpeg=JPEG + bytes(2_000_000))
        )
        server.shutdown()
    assert answered.delivered, answered.detail
    assert "without the picture" in answered.detail


@pytest.mark.parametrize(
    ("behave", "detail"),
    [
        (answer(500, b"no <b>luck</b>"), "answered 500 Internal Server Error: no <b>luck</b>"),
        (
            answer(503, b"<!DOCTYPE html>\n<p>at &nbsp;lunch</p>\n"),
            "answered 503 Service Unavailable: at lunch",
        ),
        (answer(302, Location="http://169.254.169.254/"), "answered 302 Found: it leads elsewhere"),
        (answer(401, SECRET.encode()), "answered 401 Unauthorized: whsec_***"),
        (
            answer(500, b"x" * 148 + b"\x1b " + SECRET.encode()),
            f"answered 500 Internal Server Error: {'x' * 148} whsec_***",
        ),
        (receivers.drip, "no answer within 1 s"),
        (receivers.garbage, "answered something that is no HTTP"),
    ],
    ids=["500", "a page", "redirect", "echoes the key", "where it is cut", "hangs", "garbage"],
)
def test_a_receiver_that_fails_delays_no_other(tmp_path: Path, behave: receivers.Behave, detail: str) -> None:
    with receiving() as good, receiving(behave=behave) as bad:
        timeout_s = 1.0 if behave is receivers.drip else 30.0
        targets = {"good": target(good.url), "bad": target(bad.url, timeout_s=timeout_s)}
        with running(tmp_path, **targets) as rig:
            rig.add(alert(1))
            wait_until(lambda: good.ids == ["n-b-1"])
            wait_until(lambda: rig.alerting.health()["bad"].failing > 0)
            assert rig.alerting.health()["bad"].detail.startswith(detail)
            bad.behave = None
            rig.alerting.again()
            wait_until(lambda: sorted(rig.states()) == ["delivered"] * 2)


def test_a_server_must_prove_who_it_is(tmp_path: Path) -> None:
    make(tmp_path, ["localhost"], [], 2, force=False)
    with receiving(certificate=tmp_path / "server.crt") as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        trusting = target(url, ca_file=str(tmp_path / "ca.crt"))
        wrong_name = target(url.replace("localhost", "127.0.0.1"), ca_file=str(tmp_path / "ca.crt"))
        with running(tmp_path, trusts=trusting, knows_not=target(url), wrong_name=wrong_name) as rig:
            rig.add(alert(1))
            wait_until(lambda: len(rig.listed()) == 1 and rig.states().count("delivered") == 1)
            wait_until(
                lambda: min(rig.alerting.health()[name].failing for name in ("knows_not", "wrong_name"))
            )
            assert len(receiver.got) == 1
            assert all(
                "certificate is not valid" in rig.alerting.health()[name].detail
                for name in ("knows_not", "wrong_name")
            )


def test_a_refused_alert_holds_up_its_own_rule_alone(tmp_path: Path) -> None:
    def behave(handler: Any, body: dict[str, Any]) -> None:
        answer(422 if body["data"]["rule"] == "bad" else 204)(handler, body)

    with receiving(behave=behave) as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        rig.add(alert(1, rule="bad"), alert(2, rule="bad"), alert(3), alert(4))
        wait_until(lambda: receiver.ids[-1:] == ["n-b-4"])
        assert "n-b-2" not in receiver.ids
        assert rig.alerting.drop(target="hook") == 2
        assert sorted(rig.states()) == ["delivered", "delivered", "dropped", "dropped"]


def test_a_flood_goes_together_and_every_alert_is_accounted_for(tmp_path: Path) -> None:
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url, per_minute=3)) as rig:
        rig.add(*(alert(number) for number in range(1, 41)))
        wait_until(lambda: len(receiver.got) == 3)
        assert receiver.ids == ["n-b-1", "n-b-2", "n-b-3+38"]
        said = [one["event_id"] for _, body in receiver.got for one in (body["data"], *body["data"]["more"])]
        assert said == [f"n-b-{number}" for number in range(1, 41)]
        wait_until(lambda: rig.states() == ["delivered"] * 40)


def test_who_gets_what(tmp_path: Path) -> None:
    with receiving() as receiver:
        url = receiver.url
        targets = {
            "all": target(url),
            "urgent": target(url, severity="critical"),
            "elsewhere": target(url, cameras=["other"]),
        }
        with running(tmp_path, **targets) as rig:
            rig.add(
                alert(1), alert(2, severity="critical"), alert(3, notify=("all", "gone")), alert(4, notify=())
            )
            wait_until(lambda: len(receiver.got) == 4)
            wait_until(lambda: "waiting" not in rig.states())
            went = {one.alert.event_id: [(d.target, d.state) for d in one.deliveries] for one in rig.listed()}
            assert went == {
                "n-b-1": [("all", "delivered")],
                "n-b-2": [("all", "delivered"), ("urgent", "delivered")],
                "n-b-3": [("all", "delivered"), ("gone", "unknown")],
                "n-b-4": [],
            }


def test_what_a_node_writes_as_identifier_or_target_stops_nobody(tmp_path: Path) -> None:
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        evil = dataclasses.replace(alert(1, rule="evil", notify=("hook", "gone", "gone")), node="evil")
        rig.add(
            dataclasses.replace(evil, event_id="n-b-2"),  # that of the other node's next alert
            dataclasses.replace(evil, event_id="a\r\nwebhook-id: b", number=2),
            alert(2),
        )
        wait_until(lambda: rig.states().count("delivered") == 3)
        assert sorted(receiver.ids) == ["evil-b-1", "evil-b-2", "n-b-2"]


def test_nobody_can_send_tests_without_end(tmp_path: Path) -> None:
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        said = [rig.alerting.test("hook")[0].detail for _ in range(TESTS + 1)]
        assert "wait a little" in said[-1]
        assert len(receiver.got) == TESTS


def test_while_its_file_cannot_be_written_alerts_wait_in_the_history(tmp_path: Path) -> None:
    with receiving() as receiver, running(tmp_path, hook=target(receiver.url)) as rig:
        rig.add(alert(1))
        wait_until(lambda: rig.states() == ["delivered"])
        other = sqlite3.connect(tmp_path / "h-alerts.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # as a disk that is full
        rig.add(alert(2))
        wait_until(lambda: rig.alerting._failing)
        other.execute("ROLLBACK")
        other.close()
        wait_until(lambda: receiver.ids == ["n-b-1", "n-b-2"])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": None}, "url: is missing"),
        ({"url": "ftp://x"}, "must begin with https"),
        ({"url": "https://user:pw@x/"}, "has a user in it"),
        ({"secret": "short"}, "openssl rand"),
        ({"url_file": "/nowhere"}, "both set"),
        ({"secret": None, "secret_file": "/nowhere"}, "no such file"),
        ({"ca_file": "/nowhere"}, None),
        ({"kind": "apprise", "url": "nonsense"}, "no address that Apprise knows"),
        ({"kind": "apprise", "url": "json://x", "body": "{nope}"}, "no field {nope}"),
        ({"kind": "apprise", "url": "json://x", "body": "{text"}, "belongs to no field"),
        ({"kind": "apprise", "url": "json://x", "body": "{text.__class__}"}, "belongs to no field"),
    ],
)
def test_a_target_that_cannot_work_is_refused_in_words(
    tmp_path: Path, more: dict[str, Any], says: str | None
) -> None:
    settings = NotifySettings(targets={"t": target(**{"url": "http://x/hook", **more})})
    if says is None:
        Rig(tmp_path, settings)  # not used without TLS
        return
    with pytest.raises(ConfigError, match=r"notify\.targets\.t") as caught:
        Rig(tmp_path, settings)
    assert says in str(caught.value)


def test_targets_need_a_history() -> None:
    nothing = HistorySettings(path=None)
    with pytest.raises(ConfigError, match=r"history\.path is null"):
        Alerting(NotifySettings(targets={"t": target("http://x/")}), History(nothing), nothing, lambda _: {})
