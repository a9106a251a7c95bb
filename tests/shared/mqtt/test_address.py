"""How a broker is named, and where the secrets are."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared import settings
from shared.errors import ConfigError
from shared.mqtt import address as broker_settings
from shared.mqtt.address import Address, MqttSettings, addresses
from shared.mqtt.command_line import ToolConfig
from shared.secrets.redact import redact


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
    "url",
    [
        "box",
        "http://box",
        "mqtt://",
        "mqtt://box:x",
        "mqtt://box:0",
        "mqtt://u:p@box",
        "mqtt://box/path",
        "mqtt://box#1883",
        "mqtt://my box",
        "mqtt://a,b",
    ],
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
        broker_settings.check_secrets(MqttSettings(**given), (Address("box", 1883, False),))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mqtt://a", ["a:1883"]),
        ("mqtt://a,mqtt://b:1", ["a:1883", "b:1"]),
        ("[mqtts://a, 'mqtts://[::1]']", ["a:8883", "[::1]:8883"]),
    ],
)
def test_a_broker_has_one_address_or_its_cluster_has_several(given: str, expected: list[str]) -> None:
    config = settings.load(ToolConfig, overrides=[f"mqtt.url={given}"])
    assert [str(one) for one in addresses(config.mqtt)] == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], r"has 0 addresses; write 1 to 16"),
        ([f"mqtt://a{n}" for n in range(17)], "has 17 addresses"),
        (["mqtt://a", "mqtt://b", "mqtt://A:1883"], "names a:1883 twice; leave out one"),
        (["mqtts://a", "mqtt://b"], r"TLS and b:1883 without; write all with mqtts://"),
        (["mqtt://a", "http://b"], r"'http://b': expected mqtt://HOST:PORT"),
        (["mqtt://a", "mqtt://u:secret@b"], "put the user and password into mqtt.username"),
    ],
)
def test_addresses_that_do_not_go_together_are_one_sentence(given: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        addresses(MqttSettings(url=tuple(given)))
    assert "secret" not in str(caught.value)


def test_a_list_in_a_file_is_a_list_and_no_error_shows_a_password_in_it(tmp_path: Path) -> None:
    file = tmp_path / "tool.yaml"
    file.write_text("mqtt:\n  url:\n    - mqtt://a\n    - mqtt://u:hush@b\n")
    config = settings.load(ToolConfig, file=file)
    assert config.mqtt.urls == ("mqtt://a", "mqtt://u:hush@b")
    assert "hush" not in redact("somebody said hush")
    file.write_text("mqtt:\n  url: [mqtt://a, {b: 1}]\n")
    with pytest.raises(ConfigError, match=r"mqtt\.url"):
        settings.load(ToolConfig, file=file)
