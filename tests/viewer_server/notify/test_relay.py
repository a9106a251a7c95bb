"""Alerts through Apprise to a real mail server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.secrets import known
from tests.conftest import wait_until
from tests.viewer_server.notify.mailbox import Mailbox, mailbox
from tests.viewer_server.notify.receiver import answer, receiving
from tests.viewer_server.notify.test_alerting import JPEG, Rig, alert, running, target
from viewer_server.notify.relay import Relay
from viewer_server.targets import NotifySettings, TargetSettings


def mail(box: Mailbox, **more: Any) -> TargetSettings:
    return TargetSettings(**{"kind": "apprise", "url": box.url, "timeout_s": 30.0, **more})


def test_a_mail_has_the_words_of_its_target_and_the_picture(tmp_path: Path) -> None:
    words = {"title": "{severity}: {rule} at {camera}", "body": "{text} ({label}) {late}"}
    with mailbox() as box, running(tmp_path, mail=mail(box, **words)) as rig:
        rig.snapshot(7)
        rig.add(alert(1, picture=True, label="<b>person</b>\r\nBcc: x@example.com"))
        wait_until(lambda: len(box.mails) == 1)
        assert box.mails[0]["Subject"] == "warning: r at Door"
        assert box.mails[0]["Bcc"] is None
        assert "It is 1 (<b>person</b>" in box.text(0)
        assert box.pictures(0) == [JPEG]
        wait_until(lambda: rig.states() == ["delivered"])


def test_what_no_line_of_a_mail_can_hold_does_not_hold_up_the_alerts(tmp_path: Path) -> None:
    with mailbox() as box, running(tmp_path, mail=mail(box, title="{label} {text}")) as rig:
        rig.add(alert(1, label="\U0001f6b6" * 64 + "\0\x1b[31m" + "\u6f22" * 50))
        wait_until(lambda: rig.states() == ["delivered"])
        assert box.mails[0]["Subject"] == "\U0001f6b6" * 64 + "[31m" + "\u6f22" * 12 + "\u2026"


def test_a_test_message_says_what_the_receiver_said(tmp_path: Path) -> None:
    with mailbox() as box, running(tmp_path, mail=mail(box)) as rig:
        answer, took_ms = rig.alerting.test("mail")
        assert (answer.delivered, took_ms > 0) == (True, True)
        assert "This is a test" in box.text(0)
        assert len(box.pictures(0)) == 1
        assert rig.listed() == []


def test_a_mail_server_that_hangs_delays_nobody_and_gets_the_alert_later(tmp_path: Path) -> None:
    with mailbox() as box, receiving() as hook:
        targets = {"mail": mail(box, timeout_s=1.0), "hook": target(hook.url)}
        with running(tmp_path, **targets) as rig:
            box.hold.clear()
            rig.add(alert(1))
            wait_until(lambda: hook.ids == ["n-b-1"])
            wait_until(lambda: rig.alerting.health()["mail"].detail == "no answer within 1 s")
            box.hold.set()
            rig.alerting.again()
            wait_until(lambda: rig.states() == ["delivered"] * 2)


def test_an_answer_without_an_end_takes_no_memory_without_an_end(tmp_path: Path) -> None:
    def endless(handler: Any, body: object) -> None:  # noqa: ARG001
        handler.send_response(500)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 20))

    with receiving(behave=endless, signed=False) as hook:
        settings = TargetSettings(kind="apprise", url=f"json://127.0.0.1:{hook.port}/", timeout_s=30.0)
        with running(tmp_path, hook=settings) as rig:
            answered, _ = rig.alerting.test("hook")
            assert "raised an exception" in answered.detail  # and not: no answer within 30 s


def test_an_answer_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    with receiving(signed=False) as other:
        leads = answer(307, Location=other.url)
        with receiving(behave=leads, signed=False) as hook:
            settings = TargetSettings(kind="apprise", url=f"json://127.0.0.1:{hook.port}/")
            with running(tmp_path, hook=settings) as rig:
                assert "307" in rig.alerting.test("hook")[0].detail
        assert other.got == []


def test_without_apprise_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'darner\[alerts\]'"):
        Rig(tmp_path, NotifySettings(targets={"mail": TargetSettings(kind="apprise", url="json://x")}))


def test_a_machine_that_is_too_busy_to_check_an_address_does_not_keep_the_viewer_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("viewer_server.notify.relay.START_S", 0.01)
    Rig(tmp_path, NotifySettings(targets={"mail": TargetSettings(kind="apprise", url="json://x")}))
    assert "did not say within 0.01 s whether it knows the address" in caplog.text


def test_no_text_shows_the_address(tmp_path: Path) -> None:
    url = "mailto://guard:pass%2Fword99@127.0.0.1:9/?from=a@example.com&to=b@example.com"
    with running(tmp_path, mail=TargetSettings(kind="apprise", url=url)) as rig:
        answer, _ = rig.alerting.test("mail")
        assert not answer.delivered
        assert "Connection refused" in answer.detail
        assert "pass" not in answer.detail
        assert known.hide("it says pass/word99 and pass%2Fword99") == "it says *** and ***"


def test_no_answer_shows_the_path_of_an_address() -> None:
    Relay("k", TargetSettings(kind="apprise", url="json://127.0.0.1:9/hook/a1b2c3?x=1"))
    assert known.hide("denied: /hook/a1b2c3") == "denied: ***"
