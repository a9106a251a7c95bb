"""The viewer as a process: an alert on the broker reaches its target, and REST says what became of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire import topics
from shared.wire.messages import Condition, NodeStatus, RuleDefinition, Rules, encode, now_us
from tests.conftest import wait_until
from tests.viewer_server.notify.mailbox import mailbox
from tests.viewer_server.notify.receiver import SECRET, drip, receiving
from tests.viewer_server.notify.test_alerting import JPEG, alert
from tests.viewer_server.process import ViewerProcess

SAID: Any = {"node": "n", "session": "s", "published_us": now_us()}


def status(word: Any) -> bytes:
    return encode(NodeStatus(status=word, version="1", **SAID))


def asked(viewer: ViewerProcess, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    url, headers = f"{viewer.url}/api/v1{path}", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            content = answer.read()
    except urllib.error.HTTPError as error:
        content = error.read()
    return json.loads(content) if content.startswith(b"{") else content


def test_alerts_go_from_the_broker_to_targets_and_rest_tells_of_it(own_broker: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    with receiving() as hook, mailbox() as box:
        settings = (
            f"history.path={tmp_path}/h.db",
            "notify.targets.hook.kind=webhook",
            f"notify.targets.hook.url={hook.url}/T0PSECRETPATH",
            f"notify.targets.hook.secret_file={tmp_path}/key",
            "notify.targets.hook.timeout_s=30",
            "notify.targets.mail.kind=apprise",
            f"notify.targets.mail.url={box.url}",
            "notify.targets.mail.severity=critical",
        )
        with ViewerProcess(own_broker.url, tmp_path, *settings) as viewer:
            viewer.wait(broker_connected=True)
            with Client(MqttSettings(url=own_broker.url), name="edge") as edge:
                edge.set_state(topics.STATUS, "darner/v1/n/status", status("online"))
                wait_until(lambda: viewer.health()["nodes"] == 1)
                said_by = {"session": "s"}
                edge.publish(
                    topics.SNAPSHOT, "darner/v1/n/camera/c/snapshot/7", JPEG, user_properties=said_by
                )
                for number, severity in ((1, "critical"), (2, "info")):
                    one = alert(number, picture=True, severity=severity)
                    edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(one))
                wait_until(lambda: len(hook.got) == 2 and len(box.mails) == 1)
                wait_until(lambda: all(one["waiting"] == 0 for one in asked(viewer, "/targets")["targets"]))
                newest, oldest = asked(viewer, "/alerts")["alerts"]
                states = {one["target"]: (one["state"], one["attempts"]) for one in oldest["deliveries"]}
                assert states == {"hook": ("delivered", 1), "mail": ("delivered", 1)}
                assert (newest["text"], newest["severity"], newest["late"]) == ("It is 2", "info", False)
                assert asked(viewer, f"/alerts/{oldest['id']}/picture") == JPEG == box.pictures(0)[0]
                assert len(asked(viewer, "/alerts?severity=critical")["alerts"]) == 1
                assert asked(viewer, "/targets/mail/test", {})["delivered"]
                assert asked(viewer, "/targets/nobody/test", {})["status"] == 404
                assert asked(viewer, f"/alerts/{oldest['id']}/retry", {"target": "hook"}) == {"changed": 0}
                assert (
                    viewer.metric('darner_viewer_alert_messages_total{result="delivered",target="hook"}') == 2
                )
                when = Condition(trigger="offline", for_s=0.5)
                rules = Rules(version=1, rules={"gone": RuleDefinition(when=when)}, **SAID)
                edge.set_state(topics.RULES, "darner/v1/n/rules", encode(rules))
                edge.set_state(topics.STATUS, "darner/v1/n/status", status("offline"))
                wait_until(lambda: len(hook.got) == 3)  # the viewer's own alert
                said = hook.got[2][1]["data"]
                assert (said["rule"], said["camera"], said["node"]) == ("gone", None, "n")
                edge.set_state(topics.STATUS, "darner/v1/n/status", status("online"))
                hook.behave = drip  # a receiver that hangs does not keep the viewer from ending
                edge.publish(topics.EVENTS, "darner/v1/n/camera/c/events", encode(alert(3)))
                wait_until(lambda: len(hook.got) == 4)
            said = json.dumps([asked(viewer, path) for path in ("/targets", "/alerts", "/rules")])
            code, seconds = viewer.stop()
            assert (code, seconds < 5) == (0, True)
            assert not [word for word in ("T0PSECRET", SECRET, "mailto") if word in said + viewer.log]
