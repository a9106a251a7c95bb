"""The secure configuration on a real Mosquitto: who may say and hear what, and who is let in at all."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from broker import certificates
from shared.channel import Channel
from shared.errors import BrokerError, ConfigError
from shared.mqtt.address import MqttSettings
from shared.mqtt.client import Client
from shared.wire.topics import Topic
from tests.broker.secure import EDGE, OTHER_EDGE, USERS, SecureBroker, password, prepare
from tests.conftest import REPO, MosquittoProcess, free_port, wait_for_port

ANY = Topic("any", "any", "jpeg", 1, False)
TOPICS = {
    "own status": f"darner/v1/{EDGE}/status",
    "own events": f"darner/v1/{EDGE}/camera/c/events",
    "own zone": f"darner/v1/{EDGE}/camera/c/zone/z",
    "own ping": f"darner/v1/{EDGE}/request/ping",
    "own picture to try": f"darner/v1/{EDGE}/request/detect",
    "own ack": f"darner/v1/{EDGE}/ack/viewer-1",
    "own response": f"darner/v1/{EDGE}/response/ping",
    "own answer to a rollout": f"darner/v1/{EDGE}/response/fleet",
    "own discovery": f"homeassistant/device/{EDGE}/c/config",
    "own node's discovery": f"homeassistant/device/{EDGE}/config",
    "own junk": f"darner/v1/{EDGE}/junk/1",
    "own zone of a zone": f"darner/v1/{EDGE}/camera/c/zone/z/1",
    "other status": f"darner/v1/{OTHER_EDGE}/status",
    "other zone": f"darner/v1/{OTHER_EDGE}/camera/c/zone/z",
    "other request": f"darner/v1/{OTHER_EDGE}/request/detect",
    "other set": f"darner/v1/{OTHER_EDGE}/request/set",
    "other reload": f"darner/v1/{OTHER_EDGE}/request/reload",
    "other mode": f"darner/v1/{OTHER_EDGE}/request/mode.set",
    "other rules": f"darner/v1/{OTHER_EDGE}/request/rules.set",
    "own calendar": f"darner/v1/{EDGE}/calendar",
    "own mode": f"darner/v1/{EDGE}/mode",
    "own alert": f"darner/v1/{EDGE}/camera/c/alert",
    "other ack": f"darner/v1/{OTHER_EDGE}/ack/viewer-1",
    "own interest": f"darner/v1/{EDGE}/interest/viewer-1",
    "other discovery": f"homeassistant/device/{OTHER_EDGE}/c/config",
    "other node's discovery": f"homeassistant/device/{OTHER_EDGE}/config",
    "as viewer": "darner/v1/viewer/status",
    "as reader": "darner/v1/reader/status",
    "as reader to home assistant": "homeassistant/device/reader/c/config",
    "home assistant": "homeassistant/status",
    "elsewhere": "elsewhere",
}
SWITCHES = {"other set", "other reload"}
COMMANDS = {
    *("own ping", "own picture to try", "own ack", "own interest", "other request", "other ack"),
    *SWITCHES,
    *("other mode", "other rules"),
}
DEVICES = {"own discovery", "own node's discovery", "other discovery", "other node's discovery"}
SAID_BY_EDGES = {
    *("own status", "own events", "own zone", "own response", "own answer to a rollout"),
    *("own calendar", "own mode", "own alert"),
    *("other status", "other zone"),
}
MAY_WRITE = {
    EDGE: {
        *("own status", "own events", "own zone", "own ping", "own response", "own discovery"),
        *("own node's discovery", "own answer to a rollout", "own calendar", "own mode", "own alert"),
    },
    "viewer": COMMANDS,
    "archive": {"own ack", "other ack"},
    "reader": set(),
    "operator": {*SWITCHES, "other rules"},
    "homeassistant": {"home assistant", "other mode", *SWITCHES, *DEVICES, "as reader to home assistant"},
}
MAY_READ = {
    EDGE: {
        *("own status", "own zone", "own ping", "own picture to try", "own ack", "own response"),
        *("own interest", "own calendar", "own mode"),
        *("own discovery", "own node's discovery", "home assistant"),
    },
    "viewer": SAID_BY_EDGES | {"home assistant"},
    "archive": {"own events", "home assistant"},
    "reader": SAID_BY_EDGES | {"home assistant"},
    "operator": {"own status", "own calendar", "own answer to a rollout", "other status", "home assistant"},
    "homeassistant": SAID_BY_EDGES | DEVICES | {"home assistant", "as reader to home assistant"},
}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    folder = tmp_path_factory.mktemp("secure")
    prepare(folder)
    broker = SecureBroker(folder)
    yield broker
    broker.stop()


def may_publish(client: Client, topic: str) -> bool:
    """What the broker's acknowledgement of a message at QoS 1 says: the only place where a refusal shows."""
    answers: Channel[bool] = Channel(depth=10)
    client.on_acknowledged[:] = [lambda _, taken: answers.put_newest(taken)]
    assert client.send(ANY, topic, b"x") is not None
    return answers.get(10)


@pytest.mark.parametrize("user", MAY_WRITE)
def test_each_role_may_publish_exactly_this(secure: SecureBroker, user: str) -> None:
    with Client(secure.settings(user), name="anything") as client:
        assert client.wait_subscribed(30)
        allowed = {name for name, topic in TOPICS.items() if may_publish(client, topic)}
    assert allowed == MAY_WRITE[user]


def test_each_role_hears_exactly_this_whatever_it_subscribes_to(secure: SecureBroker) -> None:
    clients = {user: Client(secure.settings(user), name="anything") for user in MAY_READ}
    writers = [Client(secure.settings(user), name="w") for user in USERS]
    for client in (*clients.values(), *writers):
        client.__enter__()
        assert client.wait_subscribed(30)
    for client in clients.values():
        client.subscribe("#", 1)
        assert client.wait_subscribed(30)
    for writer in writers:
        for topic in TOPICS.values():
            writer.publish(ANY, topic, b"x")
    names = {topic: name for name, topic in TOPICS.items()}
    for user, client in clients.items():
        heard = set()
        try:
            while True:
                heard.add(names[client.received.get(1.0).topic])
        except TimeoutError:
            pass
        assert heard == MAY_READ[user], user
    for client in (*clients.values(), *writers):
        client.__exit__(None, None, None)


def refusal(settings: MqttSettings) -> str:
    """The one error that a client which is not let in reports."""
    errors: list[BrokerError] = []
    refused = threading.Event()

    def on_refused(error: BrokerError) -> None:
        errors.append(error)
        refused.set()

    with Client(settings, name="stranger", on_refused=on_refused) as client:
        assert refused.wait(30)
        assert not client.connected
    return str(errors[0])


def test_the_right_certificates_and_passwords_connect(secure: SecureBroker, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password(EDGE)}\n")
    by_file = replace(secure.settings(EDGE), password=None, password_file=str(file))
    older = replace(by_file, version="3.1.1")
    for settings in (by_file, older, secure.certified(EDGE), secure.certified(EDGE, version="3.1.1")):
        with Client(settings, name="edge") as client:
            assert client.wait_subscribed(30)


def test_the_name_in_a_client_certificate_decides_what_it_may(secure: SecureBroker) -> None:
    with Client(secure.certified(EDGE), name="viewer") as client:
        assert client.wait_subscribed(30)
        assert may_publish(client, TOPICS["own status"])
        assert not may_publish(client, TOPICS["other status"])


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("wrong password", "check mqtt.username"),
        ("no password", "check mqtt.username"),
        ("wrong CA", "mqtt.ca_file must be the CA"),
        ("public CAs", "mqtt.ca_file must be the CA"),
        ("wrong host", "use a name in mqtt.url that"),
        ("expired", "expired; renew the broker's certificate"),
        ("no client certificate", "check mqtt.cert_file"),
        ("foreign client certificate", "check mqtt.cert_file"),
    ],
)
def test_who_is_not_let_in_gets_one_error_with_the_remedy(
    secure: SecureBroker, tmp_path: Path, case: str, says: str
) -> None:
    good = secure.settings(EDGE)
    text = ""
    match case:
        case "wrong password":
            text = refusal(replace(good, password="wrong"))
        case "no password":
            text = refusal(replace(good, username=None, password=None))
        case "wrong CA":
            certificates.make(tmp_path, ["localhost"], [], 30, force=False)
            text = refusal(replace(good, ca_file=str(tmp_path / "ca.crt")))
        case "public CAs":
            text = refusal(replace(good, ca_file=None))
        case "wrong host":
            text = refusal(replace(good, url=f"mqtts://127.0.0.1:{secure.port}"))
        case "expired":
            text = refusal_of_an_expired_broker(tmp_path)
        case "no client certificate":
            text = refusal(secure.certified(EDGE, cert_file=None, key_file=None))
        case "foreign client certificate":
            certificates.make(tmp_path, [], [EDGE], 30, force=False)
            mine = tmp_path / "clients" / EDGE
            text = refusal(secure.certified(EDGE, cert_file=f"{mine}.crt", key_file=f"{mine}.key"))
    assert says in text
    assert "\n" not in text
    assert password(EDGE) not in text


def refusal_of_an_expired_broker(folder: Path) -> str:
    certificates.make(folder, ["localhost"], [], 30, force=False)
    words = "x509 -x509toreq -in server.crt -signkey server.key -out csr".split()
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    (folder / "ext").write_text("subjectAltName = DNS:localhost\nbasicConstraints = critical, CA:FALSE\n")
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n"
        "default_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n"
    )
    words = (
        "ca -batch -config ca.cnf -in csr -out server.crt -cert ca.crt -keyfile ca.key -extfile ext -notext "
        "-startdate 20200101000000Z -enddate 20200201000000Z"
    ).split()
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    tls = "".join(f"{key} {folder / name}\n" for key, name in KEYS.items())
    broker = MosquittoProcess(folder, extra=tls)
    broker.start()
    try:
        return refusal(MqttSettings(url=f"mqtts://localhost:{broker.port}", ca_file=str(folder / "ca.crt")))
    finally:
        broker.kill()


KEYS = {"cafile": "ca.crt", "certfile": "server.crt", "keyfile": "server.key"}


def test_no_encryption_where_it_is_expected_is_said_and_not_retried_in_silence(
    secure: SecureBroker, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(secure.settings(EDGE), url=f"mqtt://127.0.0.1:{secure.port}", ca_file=None)
    with caplog.at_level(logging.WARNING), Client(settings, name="plain") as client:
        assert not client.wait_subscribed(1.5)
    assert "mqtts://" in caplog.text


def test_a_broker_that_is_trusted_and_then_is_not_is_retried(tmp_path: Path) -> None:
    # Once in, a renewal gone wrong is the broker's to mend: the node must not end over it.
    certificates.make(tmp_path, ["localhost"], [], 30, force=False)
    tls = "".join(f"{key} {tmp_path / name}\n" for key, name in KEYS.items())
    broker = MosquittoProcess(tmp_path, extra=tls)
    broker.start()
    refused: list[BrokerError] = []
    ca = tmp_path / "ca-kept.crt"
    ca.write_bytes((tmp_path / "ca.crt").read_bytes())
    settings = MqttSettings(url=f"mqtts://localhost:{broker.port}", ca_file=str(ca))
    with Client(settings, name="edge", on_refused=refused.append) as client:
        assert client.wait_subscribed(30)
        broker.kill()
        certificates.make(tmp_path, ["elsewhere"], [], 30, force=True)
        broker.start()
        time.sleep(3)
        assert not client.connected
        broker.kill()
        certificates.make(tmp_path, ["localhost"], [], 30, force=True)
        broker.start()
        assert client.wait_subscribed(30)
    broker.kill()
    assert not refused


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ca_file": "ca.crt"}, "use mqtts://"),
        ({"cert_file": "a.crt"}, "use mqtts://"),
        ({"url": "mqtts://box", "key_file": "a.key"}, "mqtt.cert_file is not"),
        ({"password": "p"}, "mqtt.username is not"),
        ({"url": "mqtts://box", "ca_file": "/nowhere"}, "mqtt.ca_file /nowhere"),
    ],
)
def test_settings_that_would_send_secrets_in_the_clear_or_nowhere_are_refused(
    given: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        Client(MqttSettings(**given), name="x")  # type: ignore[arg-type]  # settings by name


def test_an_encrypted_key_is_an_error_and_not_a_question_at_the_terminal(tmp_path: Path) -> None:
    certificates.make(tmp_path, [], [EDGE], 30, force=False)
    key = tmp_path / "clients" / f"{EDGE}.key"
    words = f"ec -in {key} -aes256 -passout pass:x -out {tmp_path}/locked.key".split()
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    settings = MqttSettings(
        url="mqtts://box", cert_file=str(key.with_suffix(".crt")), key_file=str(tmp_path / "locked.key")
    )
    with pytest.raises(ConfigError, match=r"mqtt\.cert_file"):
        Client(settings, name="x")


def test_a_secure_broker_without_its_files_names_the_command_that_makes_them(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "broker", "--secure", str(tmp_path), "--port", "18883"]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "python -m broker.certificates" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_documented_setup_for_containers_makes_every_file_they_get(tmp_path: Path) -> None:
    page = (REPO / "docs" / "how-to" / "security.md").read_text()
    documented = page.partition("<!-- containers -->\n\n```sh\n")[2]
    *making, starting = documented.partition("\n```")[0].splitlines()
    assert starting == "docker compose -f docker-compose.secure.yml up --build"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(REPO)}
    subprocess.run(["bash", "-euc", "\n".join(making)], cwd=tmp_path, env=environment, check=True)
    services = yaml.safe_load((REPO / "docker-compose.secure.yml").read_text())["services"]
    mounted = {mount.split(":")[0] for one in services.values() for mount in one["volumes"]}
    folder = tmp_path / "secure"
    for file in (name for name in mounted if name.startswith("./")):
        assert (tmp_path / file).is_file() or (REPO / file).is_file(), file
    assert "./secure/ca.key" not in mounted
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "server.key").stat().st_mode & 0o777 == 0o600
    given = services["edge"]["environment"]
    assert given["DARNER_MQTT__USERNAME"] == given["DARNER_NODE"], "or its rights do not fit its name"
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "broker", "--secure", str(folder), "--port", str(port)],
        cwd=REPO,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        for user in ("edge", "viewer"):
            settings = MqttSettings(
                url=f"mqtts://localhost:{port}",
                username=user,
                password_file=str(folder / f"{user}.password"),
                ca_file=str(folder / "ca.crt"),
            )
            with Client(settings, name=user) as client:
                assert client.wait_subscribed(30)
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_started_by_root_it_is_another_user_who_reads_copies_of_the_secrets(secure: SecureBroker) -> None:
    (mosquitto,) = secure.processes()
    assert mosquitto.username() == "mosquitto"
    assert (secure.folder / "server.key").stat().st_uid == 0, "the secrets themselves stay root's"
