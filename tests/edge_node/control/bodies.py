"""Bodies of requests that are nearly right, and such that are not, for tests that send very many."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.shared.wire.test_hostile import JSON

FIELDS = (
    "camera",
    "confidence",
    "detect_every",
    "paused",
    "thumbnail_fps",
    "version",
    "zones",
    "lines",
    "masks",
    "filters",
    "id",
    "calendar",
    "mode",
    "until_us",
    "rules",
)
COORDINATE = st.floats(-3, 3)
NAME = st.sampled_from(["a", "b", "night", "/"])
ANGLE = st.floats(-200, 200)
MOMENT = st.sampled_from(["00:00", "23:59", "24:00", "sunset-999", "sunrise", "sunset+720", "7:00", "25:00"])
SPAN = st.fixed_dictionaries({}, optional={"start": MOMENT, "end": MOMENT, "days": st.just(["mon", "sun"])})
DAY = st.sampled_from(["2026-02-28", "2028-02-29", "2027-02-29", "0000-01-01", "9999-12-31"])
EXCEPTION = st.fixed_dictionaries({"first": DAY}, optional={"last": DAY})
MODE = st.fixed_dictionaries({"during": st.none() | NAME})
SCHEDULE = st.fixed_dictionaries(
    {},
    optional={
        "spans": st.lists(SPAN, max_size=3),
        "exceptions": st.lists(EXCEPTION, max_size=3),
        "modes": st.lists(NAME, max_size=2),
    },
)
CONDITION = st.fixed_dictionaries(
    {"trigger": st.sampled_from(["event", "stay", "occupancy", "count", "problem", "offline", "mood"])},
    optional={
        "events": st.lists(st.sampled_from(["zone_entered", "line_crossed", "alert"]), max_size=3),
        "zones": st.lists(NAME, max_size=3),
        "for_s": st.floats(-1, 1e10),
        "at_least": st.integers(-1, 2**60),
        "within_s": st.floats(-1, 1e10),
    },
)
RULE = st.fixed_dictionaries(
    {"when": CONDITION},
    optional={
        "text": st.sampled_from(["{zone}", "{", "}}{{", "{zone.__class__}", "{" * 600, "\x00"]),
        "schedule": NAME,
        "cooldown_s": st.floats(-1, 1e10),
        "notify": st.lists(NAME, max_size=40),
    },
)
SENSIBLE = st.fixed_dictionaries(
    {},
    optional={
        "camera": st.sampled_from(["street", "x", None]),
        "confidence": st.floats(-1, 2),
        "detect_every": st.integers(-1, 200),
        "paused": st.booleans(),
        "thumbnail_fps": st.floats(-1, 100),
        "version": st.integers(0, 3),
        "zones": st.dictionaries(
            st.text("az_", min_size=1, max_size=3),
            st.fixed_dictionaries(
                {"polygon": st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), max_size=70)}
            ),
            max_size=5,
        ),
        "lines": st.just({}),
        "masks": st.dictionaries(
            st.sampled_from(["a", "b", "-"]),
            st.fixed_dictionaries(
                {
                    "polygon": st.lists(st.tuples(COORDINATE, COORDINATE), max_size=70),
                    "by": st.sampled_from(["anchor", "overlap", "both"]),
                    "overlap": st.floats(-1, 2),
                }
            ),
            max_size=3,
        ),
        "filters": st.dictionaries(
            st.sampled_from(["all", "person", "", "unicorn"]),
            st.dictionaries(st.sampled_from(["min_size", "max_size", "score", "x"]), st.floats(-1, 200)),
            max_size=3,
        ),
        "calendar": st.fixed_dictionaries(
            {},
            optional={
                "timezone": st.sampled_from(["Europe/Berlin", "../../etc/passwd", "", "Mars/Base"]),
                "location": st.fixed_dictionaries({"latitude": ANGLE, "longitude": ANGLE}),
                "day_starts": st.lists(MOMENT, max_size=30),
                "modes": st.dictionaries(
                    NAME, st.fixed_dictionaries({"during": st.none() | NAME}), max_size=3
                ),
                "schedules": st.dictionaries(NAME, SCHEDULE, max_size=3),
            },
        ),
        "mode": NAME,
        "until_us": st.integers(-1, 2**60),
        "rules": st.dictionaries(NAME, RULE, max_size=3),
        "format": st.sampled_from(["array", "png", "gif"]),
        "image_base64": st.text("A/=?", max_size=20),
    },
)
WILD = st.dictionaries(st.sampled_from([*FIELDS, "image_base64", "format", "transaction"]), JSON, max_size=6)
