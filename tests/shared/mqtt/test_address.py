"""How a broker is named, and where the secrets are."""

from __future__ import annotations

import pytest

from shared.errors import ConfigError
from shared.mqtt import address as broker_settings
from shared.mqtt.address import MqttSettings


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(MqttSettings(password="secret"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://box", ("box", 1883, False)),
        ("mqtts://box", ("box", 8883, True)),
        ("mqtt://[::1]:1884", ("::1", 1884, False)),
    ],
)
def test_urls_that_work(url: str, expected: tuple[str, int, bool]) -> None:
    assert broker_settings.parse_url(url) == expected


@pytest.mark.parametrize(
    "url", ["box", "http://box", "mqtt://", "mqtt://box:x", "mqtt://u:p@box", "mqtt://box/path"]
)
def test_urls_that_do_not_are_config_errors(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.url"):
        broker_settings.parse_url(url)


def test_a_missing_password_file_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="password_file"):
        broker_settings.read_password(MqttSettings(password_file="/nowhere"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"password": "x", "password_file": "y", "username": "u"}, "are both set: leave out one of them"),
        ({"password": "x"}, "mqtt.username is not"),
        ({"key_file": "x"}, "is not encrypted"),
    ],
)
def test_secrets_that_would_not_be_used_are_an_error(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        broker_settings.check_secrets(MqttSettings(**given), "box", encrypted=False)  # type: ignore[arg-type]  # by name
