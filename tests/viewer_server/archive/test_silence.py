"""An archive that receives nothing says so once, and what may be the reason."""

from __future__ import annotations

import pytest

from viewer_server.archive.silence import SILENT_S, Silence

SHARED, PLAIN = "$share/a/darner/v1/+/events/+", "darner/v1/+/events/+"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("topic_filter", "names_share"), [(SHARED, True), (PLAIN, False)])
def test_silence_is_said_once_with_the_prefix_and_the_shared_subscription(
    caplog: pytest.LogCaptureFixture, topic_filter: str, names_share: bool
) -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.look(topic_filter)
    clock.now += SILENT_S - 1
    silence.look(topic_filter)
    assert caplog.text == ""
    for _ in range(3):
        clock.now += SILENT_S
        silence.look(topic_filter)
    assert caplog.text.count("no event has come") == 1
    assert (topic_filter in caplog.text, "mqtt.prefix" in caplog.text) == (True, True)
    assert ("archive.shared" in caplog.text) is names_share


def test_one_event_ends_the_wait(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    silence = Silence(clock)
    silence.look(SHARED)
    silence.heard()
    clock.now += 10 * SILENT_S
    silence.look(SHARED)
    assert caplog.text == ""
