"""Batch jobs, as the processes that users start: what they find, write, and leave behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson
import pytest
import yaml

from shared.wire import messages, topics
from tests import matroska
from tests.conftest import REPO, Mosquitto, unmeasured, wait_until
from tests.integration.test_file_to_mqtt import config, edge, listen_to_the_end, listening

FRAMES = 60
IGNORING = {
    "masks": {"left": {"polygon": [[0, 0], [0.4, 0], [0.4, 1], [0, 1]]}},
    "filters": {"all": {"score": 0.3}},
}
PASSING = {"published_us", "session", "event_id", "boot", "timings_ms"}
"""What differs between two runs over one file."""
LIVE_ONLY = {"snapshot", "historical", "oldest", "captured_us", "occurred_us", "number", "dropped"}
"""And what a node that runs says otherwise: its clock, its outbox, its losses on a slow connection."""


@pytest.fixture(scope="module")
def short_video(people_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "short.avi"
    reader = cv2.VideoCapture(str(people_video))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    for _ in range(FRAMES):
        writer.write(reader.read()[1])
    writer.release()
    return path


def start(
    *words: object, limit: Callable[[], None] | None = None, settings: dict[str, Any] | None = None
) -> subprocess.Popen[str]:
    folder = Path(str(words[-1])).parent
    given = ["--set", "model.input_size=256"]  # as in `config`
    if settings is not None:
        file = folder / "process.yaml"
        file.write_text(yaml.safe_dump(settings))
        given = ["--config", str(file)]
    return subprocess.Popen(
        [sys.executable, "-m", "edge_node", "process", *given, *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPO,
        preexec_fn=limit,
        env=unmeasured() if limit else None,
    )


def run(*words: object, **more: Any) -> tuple[int, str]:
    process = start(*words, **more)
    said = process.communicate(timeout=100)[1]
    return process.returncode, said


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def lasting(line: dict[str, Any], without: set[str] = PASSING) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in without}


def counted(dwell: dict[str, Any]) -> dict[str, Any]:
    """What is said of stays that ended."""
    return {key: value for key, value in dwell.items() if not key.startswith("ongoing")}


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        pytest.param({}, range(FRAMES), id="every frame"),
        pytest.param(
            {"detect_every": 3, "detections_fps": 5}, range(0, FRAMES, 2), id="fewer looks, fewer said"
        ),
        pytest.param(
            {"max_fps": 5, "motion_gate": 1} | IGNORING,
            range(0, FRAMES, 2),
            id="fewer frames, looks by motion, a mask and a filter",
        ),
    ],
)
def test_a_batch_job_finds_what_a_running_node_says_over_mqtt(
    more: dict[str, Any], reported: range, broker: Mosquitto, short_video: Path, tmp_path: Path
) -> None:
    prefix = f"test-process-{len(more)}-{more.get('max_fps', 0)}/v1"
    settings = config(broker.url, short_video, prefix, pace="fast", **more)
    with listening(broker.url, prefix) as heard, edge(tmp_path, settings) as node:
        listen_to_the_end(heard)
        assert node.wait(30) == 0
    assert run(short_video, "--out", tmp_path / "out", settings=settings)[0] == 0

    written = lines(tmp_path / "out" / "short.jsonl")
    of = {
        schema: [line for line in written if line["schema"] == schema]
        for schema in ("darner.detections/1", "darner.event/1", "darner.zone/1")
    }
    assert sum(map(len, of.values())) == len(written)
    for schema, kind in (
        ("darner.detections/1", messages.DetectionsMessage),
        ("darner.event/1", messages.Event),
        ("darner.zone/1", messages.ZoneState),
    ):
        for line in of[schema]:
            messages.decode(kind, orjson.dumps(line))

    by_seq = {line["seq"]: line for line in of["darner.detections/1"]}
    assert list(by_seq) == list(reported)
    said = heard.of(topics.DETECTIONS)
    assert len(said) > len(reported) / 4, "at full speed a node may drop some"
    reasons = {one["reason"] for line in by_seq.values() for one in line["ignored"]}
    assert reasons == ({"mask", "score"} if "masks" in more else set())
    ignored = PASSING | LIVE_ONLY
    for message in said:
        live = orjson.loads(messages.encode(message))
        assert lasting(live, ignored) == lasting(by_seq[message.seq], ignored)
    assert [seq - line["dropped"] for seq, line in by_seq.items()] == list(range(len(reported)))

    live_events = [orjson.loads(messages.encode(event)) for event in heard.of(topics.EVENTS)]
    live_events.sort(key=lambda event: event["number"])
    assert len(live_events) > 5
    assert [lasting(event, ignored) for event in live_events] == [
        lasting(event, ignored) for event in of["darner.event/1"]
    ]
    assert [event["occurred_us"] - event["captured_us"] for event in live_events] == [
        event["occurred_us"] - event["captured_us"] for event in of["darner.event/1"]
    ]
    assert [event["number"] for event in of["darner.event/1"]] == list(range(1, len(live_events) + 1))

    states = [orjson.loads(messages.encode(state)) for state in heard.of(topics.ZONE)]
    final = {one["zone"]: one for one in states}
    watched = {one["zone"]: one for one in states if one["watched"]}
    assert {line["zone"] for line in of["darner.zone/1"]} == {"all", "gate"} == set(final)
    # A node does not repeat numbers that have not changed since an earlier frame, and leaves nobody inside.
    of_now = {"occupancy", "queue", "loitering", "loitering_ids", "crowded", "dwell"}
    now = {"seq", "started_us", "watched", "day"} | of_now  # a batch job has no days
    for line in of["darner.zone/1"]:
        last = final[line["zone"]]
        assert lasting(line, ignored | now) == lasting(last, ignored | now)
        assert counted(line["dwell"]) == counted(last["dwell"])
        assert line["occupancy"] == watched[line["zone"]]["occupancy"]


@pytest.mark.long
def test_what_is_found_does_not_depend_on_how_many_look(short_video: Path, tmp_path: Path) -> None:
    found = []
    for jobs in (1, 3):
        out = tmp_path / str(jobs)
        assert run("--jobs", jobs, short_video, "--out", out)[0] == 0
        found.append([lasting(line) for line in lines(out / "short.jsonl")])
    assert found[0] == found[1]
    assert any(line.get("objects") for line in found[0])


def test_times_count_from_the_start_that_is_given(short_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ["--start", "2026-05-01T08:00:00+02:00", "--set", "model.threads=1"]
    assert run(short_video, *given, "--out", out)[0] == 0
    frames = [line for line in lines(out / "short.jsonl") if "objects" in line]
    assert [line["captured_us"] for line in frames[:3]] == [
        1_777_615_200_000_000 + 100_000 * index for index in range(3)
    ]


def test_what_is_there_is_kept_unless_forced_and_a_bad_file_does_not_stop_the_others(
    short_video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "short.jsonl").write_text("mine\n")
    code, said = run(short_video, "--out", out)
    assert code == 1
    assert "short.jsonl: exists already; --force replaces it" in said
    assert (out / "short.jsonl").read_text() == "mine\n"

    (tmp_path / "bad.mp4").write_text("no video")
    code, said = run(tmp_path / "bad.mp4", short_video, "--force", "--annotate", "--out", out)
    assert code == 1
    assert "cannot open bad.mp4: it is not a video" in said
    assert len(lines(out / "short.jsonl")) > FRAMES
    assert sorted(path.name for path in out.iterdir()) == ["short.jsonl", "short.mp4"]
    video = cv2.VideoCapture(str(out / "short.mp4"))
    good, image = video.read()
    assert good
    assert (int(video.get(cv2.CAP_PROP_FRAME_COUNT)), image.shape) == (FRAMES, (576, 768, 3))
    assert video.get(cv2.CAP_PROP_FPS) == 10


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["none.avi"], 1, "no such file", id="missing"),
        pytest.param(["rtsp://me:secret@camera/1"], 1, "a batch job needs a video that ends", id="live"),
        pytest.param(["{video}", "{video}"], 2, "short.avi: is named twice", id="one video twice"),
        pytest.param(["{video}", "--camera", "x"], 2, "has no cameras", id="no such camera"),
        pytest.param(["{video}", "--start", "noon"], 2, "is not a time such as", id="no time"),
        pytest.param(["{video}", "--jobs", "0"], 2, "not a number from 1 up", id="no jobs"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    words: list[str], code: int, says: str, short_video: Path, tmp_path: Path
) -> None:
    filled = [word.replace("{video}", str(short_video)) for word in words]
    found, said = run(*filled, "--out", tmp_path / "out")
    assert (found, says in said) == (code, True), said
    assert "secret" not in said
    assert "Traceback" not in said


def test_control_c_leaves_no_half_file(people_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(people_video, "--annotate", "--out", out)
    wait_until(lambda: any(part.stat().st_size > 0 for part in out.glob(".*.part.mp4")), 60)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("most", "more"),
    [pytest.param(4096, [], id="messages"), pytest.param(500_000, ["--annotate"], id="video")],
)
def test_a_disk_that_is_full_is_an_error_and_leaves_nothing(
    most: int, more: list[str], short_video: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the disk: the same system call fails."""
    out = tmp_path / "out"
    code, said = run(
        short_video,
        *more,
        "--out",
        out,
        limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )
    assert code == 1, said
    assert "File too large" in said or "is the disk full?" in said
    assert "Traceback" not in said
    assert list(out.iterdir()) == []


SHADES = [np.full((48, 64, 3), 20 * number + 20, np.uint8) for number in range(12)]


def times_of(path: Path) -> list[float]:
    return [line["captured_us"] / 1e6 for line in lines(path) if "objects" in line]


CUT_OFF = "ended after 0.4 s, but its header says 2.0 s"
LATE = 36_000_000
FILMS: dict[str, tuple[Sequence[int], int | None, str | None]] = {
    "whole": (range(0, 400, 40), None, None),
    "begins at ten hours": (range(LATE, LATE + 400, 40), None, None),
    "a gap of ten minutes": ([*range(0, 200, 40), 600_000, 600_040], None, None),
    "a rate that changes": ([0, 33, 66, 100, 400, 700, 1000], None, None),
    "cut off": (range(0, 400, 40), 2000, CUT_OFF),
    "begins at ten hours, cut off": (range(LATE, LATE + 400, 40), LATE + 2000, CUT_OFF),
}
"""When the pictures of a video are due, when its header says that it ends, and what is said; milliseconds."""


def test_a_video_is_cut_off_if_it_ends_before_its_header_says_and_not_if_it_has_fewer_frames(
    tmp_path: Path,
) -> None:
    films = []
    for name, (times_ms, says_ms, _) in FILMS.items():
        images = [SHADES[number % len(SHADES)] for number in range(len(times_ms))]
        films.append(matroska.write(tmp_path / f"{name}.mkv", images, list(times_ms), says_ms))
    code, said = run(*films, "--out", tmp_path / "out")
    assert code == 0, said
    for name, (times_ms, _, warns) in FILMS.items():
        assert [
            line.split(": ")[-1].split(";")[0] for line in said.splitlines() if f": {name}.mkv: " in line
        ] == ([warns] if warns else [])
        due = [(at - times_ms[0]) / 1e3 for at in times_ms]
        assert times_of(tmp_path / "out" / f"{name}.jsonl") == pytest.approx(due, abs=1e-3)


def test_an_annotated_video_shows_each_picture_when_it_was_taken(tmp_path: Path) -> None:
    times_ms = [0, 100, 200, 300, 1000, 1500, 2500, 2600]
    video = matroska.write(tmp_path / "film.mkv", SHADES[: len(times_ms)], times_ms)
    code, said = run(video, "--annotate", "--out", tmp_path / "out")
    assert code == 0, said
    reader = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
    rate, times = reader.get(cv2.CAP_PROP_FPS), times_of(tmp_path / "out" / "film.jsonl")
    frames = [image for good, image in iter(reader.read, (False, None)) if good]
    shown = [round(float(frame.mean()) / 20) - 1 for frame in frames]
    for number, (at_s, next_s) in enumerate(zip(times, [*times[1:], times[-1] + 1], strict=True)):
        if round(next_s * rate) > round(at_s * rate):  # else the next one takes its place
            assert shown[round(at_s * rate)] == number
    assert len(frames) / rate == pytest.approx(2.6, abs=1.5 / rate)


@pytest.mark.long
def test_an_annotated_video_can_be_smaller_and_a_video_after_the_option_is_no_size(tmp_path: Path) -> None:
    video = matroska.write(tmp_path / "film.mkv", SHADES[:2], [0, 100])
    sizes = []
    for size in ((), ("20",)):
        code, said = run("--annotate", *size, video, "--force", "--out", tmp_path / "out")
        assert code == 0, said
        reader = cv2.VideoCapture(str(tmp_path / "out" / "film.mp4"))
        sizes.append((reader.get(cv2.CAP_PROP_FRAME_WIDTH), reader.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    height, width = SHADES[0].shape[:2]
    assert sizes == [(width, height), (20, round(20 * height / width / 2) * 2)]


@pytest.mark.long
def test_files_of_any_name_are_done_and_those_that_cannot_be_are_named(tmp_path: Path) -> None:
    film = [SHADES[0], SHADES[1]]
    good = ["08:15:00.mkv", "-x.mkv", "%d.mkv", "a b#c?.mkv", "line\nfeed.mkv", "mo/day.mkv", "tu/day.mkv"]
    for name in good:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        matroska.write(tmp_path / name, film, [0, 40])
    nameless = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mkv")
    matroska.write(Path(nameless), film, [0, 40])
    bad = [nameless, "~nobody-has-this-name/x.mp4", str(tmp_path / "gone.mp4")]
    paths = [str(tmp_path / name) for name in good]
    code, said = run(bad[0], *paths[:4], bad[1], *paths[4:], bad[2], "--annotate", "--out", tmp_path / "out")
    assert code == 1, said
    assert "Traceback" not in said
    for trouble in ("name is not UTF-8", "no user has this name", "gone.mp4"):
        assert trouble in said
    stems = ["%d", "-x", "08:15:00", "a b#c?", "line\nfeed", "mo-day.mkv", "tu-day.mkv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{stem}.{kind}" for stem in stems for kind in ("jsonl", "mp4")
    )
    relative = subprocess.run(
        [sys.executable, "-m", "edge_node", "process", "08:15:00.mkv", "--out", "again"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        check=False,
    )
    assert relative.returncode == 0
    assert times_of(tmp_path / "again" / "08:15:00.jsonl") == [0.0, 0.04]


def test_pictures_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2, 9, 10, 11, 100):
        cv2.imwrite(str(folder / f"shot{number}.png"), np.full((48, 40 + number, 3), 90, np.uint8))
    assert run(folder, "--out", tmp_path / "out")[0] == 0
    widths = [line["width"] for line in lines(tmp_path / "out" / "pictures.jsonl") if "objects" in line]
    assert widths == [41, 42, 49, 50, 51, 140]


def test_a_folder_of_pictures_is_a_video_too(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(4):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((48, 64, 3), 60 * index, np.uint8))
    assert run(folder, "--annotate", "--out", tmp_path / "out")[0] == 0
    assert [line["seq"] for line in lines(tmp_path / "out" / "pictures.jsonl")] == [0, 1, 2, 3]
