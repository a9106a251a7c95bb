"""A file of certificates that cannot be used is named by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.mqtt.link import tls


@pytest.mark.parametrize(
    ("key", "content", "says"),
    [
        ("ca_file", None, "mqtt.ca_file {}: cannot be read: No such file"),
        ("ca_file", b"no certificate", "mqtt.ca_file {}: is not a certificate in PEM form"),
        ("cert_file", None, "mqtt.cert_file {}: cannot be read: No such file"),
        ("cert_file", b"no certificate", "mqtt.cert_file {}: is not a certificate with its own"),
        ("key_file", None, "mqtt.key_file {}: cannot be read: No such file"),
    ],
)
def test_an_error_names_the_key_and_its_file(
    tmp_path: Path, key: str, content: bytes | None, says: str
) -> None:
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_bytes(content)
    files = {"ca_file": None, "cert_file": None, "key_file": None, key: str(wrong)}
    if key == "key_file":
        files["cert_file"] = str(tmp_path / "good.pem")
        (tmp_path / "good.pem").write_text("")
    with pytest.raises(ConfigError) as caught:
        tls.context(**files)
    assert str(caught.value).startswith(says.format(wrong))
