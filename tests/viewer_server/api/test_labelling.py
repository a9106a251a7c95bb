"""Labelling over HTTP: a viewer without a broker, what it serves, and what strangers get."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.security import generate_password_hash

from tests.viewer_server.asking import Answer, get, loaded_by, log_in, request
from tests.viewer_server.labelling.folders import HEIGHT, WIDTH, collect, picture, written
from tests.viewer_server.process import ViewerProcess

NOWHERE = "mqtt://127.0.0.1:9"
PASSWORD = "correct horse"
API = "/api/v1/label"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("collected")
    collect(made, 6)
    picture(made.parent / "outside.jpg")
    return made


@pytest.fixture(scope="module")
def names(folder: Path) -> list[str]:
    return sorted(f"yard/{path.name}" for path in (folder / "yard").glob("*.jpg"))


@pytest.fixture(scope="module")
def viewer(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    keys = f"label.path={folder}", "label.only=true"
    with ViewerProcess(NOWHERE, tmp_path_factory.mktemp("viewer"), *keys) as process:
        yield process


def post(viewer: ViewerProcess, what: str, body: Any, **headers: str) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(viewer, "POST", f"{API}/{what}", sent, **({"Content_Type": "application/json"} | headers))


def seen(viewer: ViewerProcess, name: str) -> dict[str, Any]:
    answer = get(viewer, f"{API}/picture?name={quote(name)}")
    assert answer.status == 200, answer.body
    return dict(answer.json)


def decision(viewer: ViewerProcess, name: str, **more: Any) -> dict[str, Any]:
    now = seen(viewer, name)
    return {"name": name, "version": now["version"], "size": [WIDTH, HEIGHT], "boxes": now["boxes"]} | more


def test_without_a_broker_there_are_the_label_page_and_its_api_and_nothing_else(
    viewer: ViewerProcess,
) -> None:
    assert viewer.health()["status"] == "ok"
    assert get(viewer, "/").location == "/label"
    page = get(viewer, "/label").body.decode()
    assert "static/label/label.js" in page
    assert 'href="analytics"' not in page
    paths = get(viewer, "/api/v1/openapi.json").json["paths"]
    assert set(paths) == {
        "/api/v1/session",
        *(f"{API}/{name}" for name in ("pictures", "picture", "image", "decide", "delete", "restore")),
    }
    for path in ("/analytics", "/system", "/ws", "/api/v1/nodes"):
        assert get(viewer, path).status in (400, 404), path


def test_the_label_page_loads_little(viewer: ViewerProcess) -> None:
    loads = loaded_by(viewer.get("/label").decode())
    assert 40_000 < loads < 75_000


def test_a_viewer_that_was_not_told_to_has_no_label_page(idle_viewer: ViewerProcess) -> None:
    assert get(idle_viewer, "/label").status == 404
    assert get(idle_viewer, f"{API}/pictures").status == 404
    assert b'href="label"' not in get(idle_viewer, "/").body
    assert not any("label" in path for path in get(idle_viewer, "/api/v1/openapi.json").json["paths"])


def test_a_picture_goes_from_the_list_to_the_file(
    viewer: ViewerProcess, folder: Path, names: list[str]
) -> None:
    said = get(viewer, f"{API}/pictures?state=all&limit=2").json
    assert (said["pictures"], said["progress"]["total"]) == (names[:2], 6)
    image = get(viewer, f"{API}/image?name={quote(names[0])}")
    assert image.headers["Content-Type"] == "image/jpeg"
    assert image.headers["Cache-Control"] == "no-store"
    assert image.body == (folder / names[0]).read_bytes()
    saved = post(viewer, "decide", decision(viewer, names[0]))
    assert (saved.json["state"], saved.json["version"]) == ("accepted", seen(viewer, names[0])["version"])
    assert [row["file_name"] for row in written(folder)["images"]] == [names[0]]


def test_the_second_of_two_tabs_is_told(viewer: ViewerProcess, folder: Path, names: list[str]) -> None:
    both = decision(viewer, names[1], boxes=[])
    assert post(viewer, "decide", both).status == 200
    before = written(folder)
    refused = post(viewer, "decide", both | {"boxes": [{"label": "dog", "box": [0, 0, 1, 1]}]})
    assert (refused.status, "meanwhile" in refused.json["detail"]) == (409, True)
    assert post(viewer, "delete", {"name": names[1], "version": ""}).status == 409
    assert written(folder) == before


def test_a_deleted_picture_can_be_restored(viewer: ViewerProcess, folder: Path, names: list[str]) -> None:
    assert post(viewer, "delete", {"name": names[5], "version": ""}).status == 200
    assert not (folder / names[5]).exists()
    assert get(viewer, f"{API}/image?name={quote(names[5])}").status == 404
    assert post(viewer, "restore", {"name": names[4]}).status == 404
    assert post(viewer, "restore", {"name": names[5]}).status == 200
    assert (folder / names[5]).exists()


@pytest.mark.parametrize(
    "name",
    [
        "../outside.jpg",
        "yard/../../outside.jpg",
        "/etc/passwd",
        "annotations.json",
        "yard/../annotations.json",
        ".labelling.lock",
        "yard",
        "x\0.jpg",
        "é" * 600,
    ],
)
def test_nothing_but_listed_pictures_is_served_or_touched(
    viewer: ViewerProcess, folder: Path, name: str
) -> None:
    for path in ("image", "picture"):
        answer = get(viewer, f"{API}/{path}?name={quote(name)}")
        assert answer.status in (400, 404), answer.body[:200]
        assert answer.headers["Content-Type"] == "application/problem+json"
    for what, more in (("delete", {"version": ""}), ("decide", {"version": "", "size": [9, 9], "boxes": []})):
        assert post(viewer, what, {"name": name} | more).status in (400, 404)
    assert (folder.parent / "outside.jpg").exists()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"boxes": [{"label": "dog", "box": [0.1, 0.1, 0.5, 7]}]}, 400),
        ({"boxes": [{"label": "dog", "box": [0.1, 0.1, 0.5]}]}, 400),
        ({"boxes": [{"label": "dog", "box": [0.5, 0.1, 0.1, 0.9]}]}, 422),
        ({"boxes": [{"label": "", "box": [0.1, 0.1, 0.5, 0.5]}]}, 400),
        ({"boxes": [{"label": "\u202edog", "box": [0.1, 0.1, 0.5, 0.5]}]}, 422),
        ({"boxes": [{"label": "x" * 200, "box": [0.1, 0.1, 0.5, 0.5]}]}, 400),
        ({"boxes": [{"label": "dog", "box": [0.1, 0.1, 0.5, 0.5]}] * 1001}, 400),
        ({"boxes": "all"}, 400),
        ({"size": [10, 10]}, 422),
        ({"size": [10**9, 10]}, 400),
        ({"version": None}, 400),
        ({"version": "0" * 18}, 409),
        ({"name": 7}, 400),
    ],
)
def test_decisions_that_make_no_sense_are_refused(
    viewer: ViewerProcess, folder: Path, names: list[str], changed: dict[str, Any], status: int
) -> None:
    before = written(folder) if (folder / "annotations.json").exists() else None
    answer = post(viewer, "decide", decision(viewer, names[2]) | changed)
    assert answer.status == status, answer.body
    assert 10 < len(answer.json["detail"]) < 500
    assert before is None or written(folder) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"name": NaN}', b"null"])
def test_a_body_that_is_no_decision_is_refused(viewer: ViewerProcess, body: bytes) -> None:
    for what in ("decide", "delete", "restore"):
        assert post(viewer, what, body).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
)
def test_foreign_pages_change_nothing(
    viewer: ViewerProcess, folder: Path, names: list[str], headers: dict[str, str]
) -> None:
    body = {"name": names[3], "version": ""}
    assert post(viewer, "delete", body, **headers).status in (403, 415)
    assert (folder / names[3]).exists()
    if "Content_Type" not in headers and "Origin" not in headers:
        assert get(viewer, f"{API}/image?name={quote(names[3])}", **headers).status == 403


def test_behind_a_login_nobody_else_sees_or_changes_anything(tmp_path: Path) -> None:
    names = collect(tmp_path / "data", 1)
    hashed = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")
    keys = f"label.path={tmp_path / 'data'}", "label.only=true", f"http.password_hash={hashed}"
    with ViewerProcess(NOWHERE, tmp_path, *keys) as viewer:
        assert get(viewer, "/label").location == "/login?next=/label"
        for path in ("pictures", f"picture?name={names[0]}", f"image?name={names[0]}"):
            assert get(viewer, f"{API}/{path}").status == 401
        deletion = {"name": names[0], "version": ""}
        assert post(viewer, "delete", deletion).status == 401
        entered = log_in(viewer, PASSWORD, "/label")
        assert entered.location == "/label"
        assert get(viewer, f"{API}/image?name={names[0]}", Cookie=entered.cookie).status == 200
        assert (
            post(viewer, "delete", deletion, Cookie=entered.cookie).status == 403
        )  # says not where it is from
        mine = {"Cookie": entered.cookie, "Origin": viewer.url}
        assert post(viewer, "delete", deletion, **mine).status == 200


def test_a_decision_that_was_answered_survives_kill_9(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    names = collect(folder, 3)
    with ViewerProcess(NOWHERE, tmp_path, f"label.path={folder}", "label.only=true") as viewer:
        for name in names[:2]:
            assert post(viewer, "decide", decision(viewer, name)).status == 200
        worker = int(
            Path(f"/proc/{viewer.process.pid}/task/{viewer.process.pid}/children").read_text().split()[0]
        )
        viewer.stop(signal.SIGKILL)
        subprocess.run(["/bin/kill", "-9", str(worker)], check=False)
        assert [row["file_name"] for row in written(folder)["images"]] == names[:2]
        viewer.start()
        assert get(viewer, f"{API}/pictures?state=open").json["pictures"] == names[2:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--label", "/does/not/exist"], "viewer: label.path /does/not/exist: there is no such folder"),
        (["--set", "label.only=true"], "viewer: label.only is true and label.path is not set"),
    ],
)
def test_a_folder_that_cannot_be_labelled_is_one_sentence(words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "viewer_server", "--set", "http.port=0", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1
