"""Whatever a request asks for, its answer costs little time and memory, and is never a 500."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.wire.messages import now_us
from tests.browser.lived import Past
from tests.viewer_server.asking import get, request
from tests.viewer_server.labelling.folders import collect
from tests.viewer_server.process import ViewerProcess
from viewer_server.api.openapi import FILE

DAY_US = 86_400_000_000
SQUARE = {"node": "test", "camera": "yard", "zone": "square"}
DOCUMENT = json.loads(FILE.read_text())
GETS = sorted(path for path, methods in DOCUMENT["paths"].items() if "get" in methods)
POSTS = sorted(path for path, methods in DOCUMENT["paths"].items() if "post" in methods)

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(0, 10**9),
    st.sampled_from([0, 10, 60, 86_400, 34_560_000, 300_000_000, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63]),
).map(str)
ODD = st.sampled_from(
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "1e3",
        "0x10",
        "٣",
        "1_0",
        "null",
        "true",
        "9" * 3000,
        "-0",
        " 1",
    ]
)
NAMES = st.sampled_from(
    ["test", "yard", "square", "gate", "a/b", "..", "%", "'", "x" * 65, "é", "\x00", "__proto__"]
)
TYPES = st.sampled_from(["zone_entered", "line_crossed", "dance"])
VALUES = st.one_of(NUMBERS, ODD, NAMES, TYPES, st.text(max_size=20))


def documented(path: str, method: str) -> list[str]:
    parameters = DOCUMENT["paths"][path][method].get("parameters", [])
    return [one["name"] for one in parameters if one["in"] == "query"]


@st.composite
def asked(draw: st.DrawFn, paths: list[str], method: str) -> str:
    """A path with parameters: some as documented, some wild, some twice."""
    path = draw(st.sampled_from(paths))
    whole = path
    while "{" in whole:
        head, _, rest = whole.partition("{")
        whole = head + quote(draw(st.one_of(NAMES, NUMBERS)), safe="") + rest.partition("}")[2]
    end = now_us()
    wise = {"from_us": end - DAY_US, "to_us": end} | SQUARE
    given_ones: list[tuple[str, Any]] = []
    for name in documented(path, method):
        kind = draw(st.sampled_from(["wise", "wild", "none", "twice"]))
        if kind == "wise" and name in wise:
            given_ones.append((name, wise[name]))
        elif kind == "wild":
            given_ones.append((name, draw(VALUES)))
        elif kind == "twice":
            given_ones += [(name, draw(VALUES)), (name, draw(VALUES))]
    given_ones += draw(st.lists(st.tuples(st.text(max_size=8), VALUES), max_size=1))
    query = urlencode(given_ones, errors="surrogatepass")
    return f"{whole}?{query}" if query else whole


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerProcess]:
    past = Past(tmp_path_factory.mktemp("past") / "h.db")
    with past:
        past.days(3, per_hour=20)
    folder = tmp_path_factory.mktemp("viewer")
    pictures = tmp_path_factory.mktemp("pictures")
    collect(pictures, 2)
    keys = f"history.path={past.path}", f"label.path={pictures}"
    with ViewerProcess("mqtt://127.0.0.1:9", folder, *keys) as process:
        process.health()
        yield process


def worker(viewer: ViewerProcess) -> psutil.Process:
    [found] = psutil.Process(viewer.process.pid).children()
    return found


def check(viewer: ViewerProcess, method: str, path: str, body: bytes | None = None, **headers: str) -> None:
    begin = time.monotonic()
    answer = request(viewer, method, path, body, **headers)
    assert answer.status < 500 or answer.status in (503, 504), (path, answer.body[:300])
    assert time.monotonic() - begin < 8, path
    if answer.status >= 400 and method != "HEAD":
        detail = answer.json["detail"]
        assert 5 < len(detail) < 1000
    assert worker(viewer).memory_info().rss < 200_000_000, path


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked(GETS, "get"))
def test_any_question_has_an_answer_of_bounded_cost(viewer: ViewerProcess, path: str) -> None:
    check(viewer, "GET", path)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked(POSTS, "post"),
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"[" * 100_000,
                b"{}",
                b'{"version": 1, "zones": {}, "lines": {}}',
                b'{"version": 1e400}',
                b"\xff" * 900_000,
            ]
        ),
    ),
    st.sampled_from(["application/json", "image/jpeg", "multipart/form-data; boundary=x", "text/plain", ""]),
)
def test_any_body_has_an_answer(viewer: ViewerProcess, path: str, body: bytes, media: str) -> None:
    check(viewer, "POST", path, body, Content_Type=media)


@pytest.mark.parametrize(
    "span",
    [
        {"step_s": 300_000_000},
        {"step_s": 6_000_000_000},
        {"step_s": 9 * 10**18},
        {"step_s": 10**30},
        {"step_s": 86_410},
        {"step_s": 2 * DAY_US // 10**6},
        {"points": 0},
        {"points": 1001},
        {"from_us": 0, "to_us": 2**53 - 1},
        {"from_us": 5, "to_us": 4},
        {"zero_us": 2**53},
        {"zero_us": -1},
        {"from_us": "nan"},
    ],
)
def test_a_series_that_costs_too_much_is_refused(viewer: ViewerProcess, span: dict[str, Any]) -> None:
    for path in ("series", "series.csv"):
        query = urlencode(SQUARE | span)
        answer = get(viewer, f"/api/v1/{path}?{query}")
        assert answer.status == 400
        assert answer.json["detail"]


@pytest.mark.parametrize("days", [1, 30, 400])
def test_the_largest_series_costs_little(viewer: ViewerProcess, days: int) -> None:
    before = worker(viewer).memory_info().rss
    end = now_us()
    for more in ({"points": 1}, {"points": 1000}, {"step_s": days * 86_400}):
        span = {
            "node": "test",
            "camera": "yard",
            "zone": "square",
            "from_us": end - days * DAY_US,
            "to_us": end,
        }
        answer = get(viewer, f"/api/v1/series?{urlencode(span | more)}")
        assert answer.status == 200
        assert sum(answer.json["entered"]) > 0
    assert worker(viewer).memory_info().rss < before + 40_000_000


@pytest.mark.parametrize(
    "query", ["deadline_s=nan", "deadline_s=inf", "confidence=nan", "deadline_s=31", "confidence=2"]
)
def test_what_is_no_number_is_no_number(viewer: ViewerProcess, query: str) -> None:
    answer = request(viewer, "POST", f"/api/v1/detect?{query}", b"x", Content_Type="image/jpeg")
    assert answer.status == 400
    assert query.split("=")[0] in answer.json["detail"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /api/v1/nodes?" + b"a" * 5000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
        (b"GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, x\r\n\r\n", 501),
        (b"GET /api/v1/nodes HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: b\r\n\r\n", 400),
        (b"GET /analytics HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /api/v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n", 413),
    ],
)  # fmt: skip
def test_an_error_before_the_application_looks_like_any_other(
    viewer: ViewerProcess, sent: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", viewer.port), timeout=30) as sock:
        sock.sendall(sent)
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        body = answer.read()
    assert answer.status == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    if b"/api/" in sent:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
    else:
        assert answer.headers["Content-Type"].startswith("text/plain")
