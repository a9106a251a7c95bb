"""What `darner-archive` does in a real PostgreSQL: pruning, quotas, views, and what it says is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from shared.wire.messages import now_us
from tests.conftest import REPO
from tests.integrations.archive.system import SCHEMA, check, example, url
from tests.integrations.postgresql import PostgreSql
from viewer_server.archive.config import ArchiveSettings, DatabaseSettings
from viewer_server.archive.database import Connection, connect, place, prepare
from viewer_server.archive.marks import Marks
from viewer_server.archive.prune import EVERY_S, Pruner
from viewer_server.archive.rows import Row, row, unpack
from viewer_server.archive.store import Store

ROOM = 1000
ALERT = {"rule": "out", "severity": "info", "text": "Way out \0"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


@pytest.fixture
def db(server: PostgreSql) -> Iterator[Connection]:
    """A connection to a new archive."""
    server.ask(f"drop schema if exists {SCHEMA} cascade")
    at = place(DatabaseSettings(url=url(server)))
    prepare(at)
    with connect(at) as db:
        yield db


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(node: str, number: int, **fields: object) -> Row:
    given: dict[str, object] = {"boot": "b-1", "number": number, "oldest": 1}
    one = row(example(node, **(given | fields)), now_us())
    assert one is not None
    return one


def put(db: Connection, store: Store, marks: Marks, *rows: Row) -> None:
    """Store rows, and have their marks moved as the worker that leads does."""
    store.write(db, list(rows))
    for (boots,) in db.execute("DELETE FROM arrived RETURNING boots").fetchall():
        for key, arrival in unpack(str(boots)):
            marks.take(key, arrival)
    for node, boot in marks.forgotten:
        db.execute("DELETE FROM boots WHERE node = %s AND boot = %s", (node, boot))
    for node, boot, number in marks.changed():
        db.execute(
            """INSERT INTO boots (node, boot, number) VALUES (%s, %s, %s) ON CONFLICT (node, boot)
               DO UPDATE SET number = excluded.number""",
            (node, boot, number),
        )
    for node, added in marks.added.items():
        db.execute("UPDATE nodes SET events = events + %s WHERE node = %s", (added, node))
    marks.settled()


def opened(db: Connection, nodes: int = ROOM) -> tuple[Store, Marks, Clock]:
    clock = Clock()
    store = Store(nodes)
    store.open(db)
    return store, Marks(clock, 8), clock


def numbers(db: Connection, node: str) -> list[int]:
    rows = db.execute("SELECT number FROM events WHERE node = %s ORDER BY number", (node,))
    return [int(str(number)) for (number,) in rows]


def test_what_was_deleted_because_of_its_age_is_not_stored_again_and_moves_no_mark_back(
    db: Connection,
) -> None:
    store, marks, clock = opened(db)
    put(db, store, marks, *(made("n", number) for number in range(1, 11)))
    db.execute("UPDATE events SET stored_at = now() - interval '31 days' WHERE number <= 6")
    pruner = Pruner(ArchiveSettings(max_age_days=30), clock)
    pruner.step(db, marks)
    assert numbers(db, "n") == [7, 8, 9, 10]
    put(db, store, marks, *(made("n", number) for number in range(1, 12)))
    assert numbers(db, "n") == [7, 8, 9, 10, 11]
    assert db.execute("SELECT number, pruned, n.events FROM boots JOIN nodes n USING (node)").fetchall() == [
        (11, 6, 5)
    ]


def test_a_boot_of_which_nothing_is_left_is_forgotten_when_it_is_old(db: Connection) -> None:
    store, marks, clock = opened(db)
    put(db, store, marks, made("n", 1))
    db.execute("UPDATE events SET stored_at = now() - interval '31 days'")
    pruner = Pruner(ArchiveSettings(max_age_days=30), clock)
    pruner.step(db, marks)
    assert [one.number for one in marks.newest()] == [1], "it was heard of lately"
    db.execute("UPDATE boots SET updated_at = now() - interval '31 days'")
    db.execute("UPDATE nodes SET since = now() - interval '31 days'")
    clock.now += EVERY_S
    pruner.step(db, marks)
    assert (marks.newest(), db.execute("SELECT count(*) FROM nodes").fetchone()) == ([], (0,))


def test_the_node_that_has_the_most_loses_its_oldest(db: Connection) -> None:
    store, marks, clock = opened(db)
    put(db, store, marks, *(made("small", number) for number in range(1, 301)))
    put(db, store, marks, *(made("large", number) for number in range(1, 1001)))
    Pruner(ArchiveSettings(max_events=1000), clock).step(db, marks)
    assert numbers(db, "small") == list(range(1, 301))
    assert numbers(db, "large") == list(range(301, 1001))


def test_events_of_boots_that_are_no_longer_remembered_count_and_are_the_first_to_go(db: Connection) -> None:
    store, marks, clock = opened(db)
    for boot in range(40):  # of which 8 are remembered
        put(db, store, marks, *(made("n", number, boot=f"b-{boot:02}") for number in range(1, 51)))
    assert db.execute("SELECT events, newest_boot FROM stored_per_node").fetchall() == [(2000, "b-39")]
    Pruner(ArchiveSettings(max_events=1000), clock).step(db, marks)
    kept = db.execute("SELECT count(*), min(boot), max(boot) FROM events").fetchall()
    assert kept == [(1000, "b-20", "b-39")]
    assert db.execute("SELECT events FROM nodes").fetchall() == [(1000,)]


def test_a_silent_node_with_few_events_gives_way_to_a_new_one_and_no_other_does(db: Connection) -> None:
    store, marks, clock = opened(db, nodes=2)
    put(db, store, marks, *(made("much", number) for number in range(1, 31)), made("few", 1))
    put(db, store, marks, made("new", 1))
    assert numbers(db, "new") == []
    assert marks.newest() == [("few", "b-1", 1), ("much", "b-1", 30)], "nothing of it is acknowledged"
    pruner = Pruner(ArchiveSettings(nodes=2), clock)
    pruner.step(db, marks)
    assert numbers(db, "few") == [1], "it was heard a moment ago"
    db.execute("UPDATE boots SET updated_at = now() - interval '2 minutes'")
    clock.now += EVERY_S
    pruner.step(db, marks)
    store.look_again(db)
    put(db, store, marks, made("new", 1))
    assert (numbers(db, "new"), numbers(db, "few"), len(numbers(db, "much"))) == ([1], [], 30)


def test_an_event_whose_time_is_not_believed_is_stored_once(db: Connection) -> None:
    store, marks, _ = opened(db)
    # As with TimescaleDB, where the time has to be a part of the key.
    db.execute("ALTER TABLE events DROP CONSTRAINT events_pkey")
    db.execute("ALTER TABLE events ADD PRIMARY KEY (node, boot, number, occurred_at)")
    for _ in range(2):
        put(db, store, marks, made("n", 1, occurred_us=0))
    assert numbers(db, "n") == [1]


def test_a_batch_with_one_bad_event_among_many_costs_only_that_event(db: Connection) -> None:
    store, marks, _ = opened(db)
    db.execute("ALTER TABLE events ADD CHECK (label <> 'evil')")
    rows = [made("n", number, label="evil" if number == 700 else "person") for number in range(1, 1001)]
    put(db, store, marks, *rows)
    assert (store.counts.stored, store.counts.refused) == (999, 1)
    assert [one.number for one in marks.newest()] == [1000], "it is acknowledged: sending it again is no cure"
    assert db.execute("SELECT number FROM refused").fetchall() == [(700,)]


def test_the_views_count_what_happened(db: Connection) -> None:
    store, marks, _ = opened(db)
    at = (now_us() // 3_600_000_000 - 2) * 3_600_000_000
    story: list[tuple[str, int, dict[str, object]]] = [
        ("zone_entered", 0, {}),
        ("zone_entered", 10, {}),
        ("zone_exited", 20, {"dwell_s": 20.0}),
        ("zone_lost", 70, {"dwell_s": 60.0}),
        ("line_crossed", 5, {"zone": "gate", "direction": "in"}),
        ("line_crossed", 6, {"zone": "gate", "direction": "in"}),
        ("line_crossed", 7, {"zone": "gate", "direction": "out"}),
        ("alert", 7, {"zone": "gate", "direction": "out", "alert": ALERT}),
        ("presence_started", 8, {"zone": "path"}),
        ("problem_started", 9, {"zone": None, "problem": "covered"}),
    ]
    rows = [
        made("n", number, type=kind, occurred_us=at + seconds * 1_000_000, **more)
        for number, (kind, seconds, more) in enumerate(story, 1)
    ]
    put(db, store, marks, *rows)

    def ask(query: str) -> list[tuple[object, ...]]:
        return db.execute(query.encode()).fetchall()

    assert ask("SELECT came_in, went_out FROM crossings_per_minute") == [(2, 1)]
    assert ask("SELECT inside FROM occupancy ORDER BY occurred_at") == [(1,), (2,), (1,), (0,)]
    assert ask("SELECT stays, mean_s, p50_s, longest_s FROM dwell_per_hour") == [(2, 40, 40, 60)]
    per_minute = "SELECT type, n FROM counts_per_minute WHERE zone = 'door' ORDER BY minute, type"
    assert ask(per_minute) == [("zone_entered", 2), ("zone_exited", 1), ("zone_lost", 1)]
    assert ask("SELECT node, events, newest_boot FROM stored_per_node") == [("n", 10, "b-1")]
    told = "SELECT zone, event -> 'alert' ->> 'text', event ->> 'problem' FROM events"
    assert ask(f"{told} WHERE number > 7 ORDER BY number") == [
        ("gate", "Way out \ufffd", None),
        ("path", None, None),
        (None, None, "covered"),
    ]


def test_each_query_of_the_page_runs(db: Connection) -> None:
    page = (REPO / "docs" / "how-to" / "archive.md").read_text()
    queries = [one for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) for one in block.split(";")]
    asked = [one for one in queries if one.strip().startswith("select")]
    assert len(asked) >= 4
    for query in asked:
        db.execute(query.encode())


def spoil(server: PostgreSql, *statements: str) -> None:
    for statement in statements:
        server.ask(statement)


@pytest.mark.parametrize(
    ("before", "user", "settings", "says"),
    [
        ([], "nobody", [], 'role "nobody" does not exist; create it first'),
        (["create role shut login"], "shut", [], "user shut may not create tables there; grant it (GRANT"),
        (
            [f"create schema {SCHEMA}", f"create table {SCHEMA}.events (id int)"],
            "postgres",
            [],
            "has a table 'events' that is not the archive's; choose another database.schema",
        ),
        (
            [f"create schema {SCHEMA}", f"create table {SCHEMA}.meta (key text, value text)"],
            "postgres",
            [],
            "has version none, and this archive knows version 1",
        ),
        (
            [
                f"create schema {SCHEMA}",
                f"create table {SCHEMA}.meta (key text, value text)",
                f"insert into {SCHEMA}.meta values ('version', '7')",  # noqa: S608 - ours
            ],
            "postgres",
            [],
            "has version 7, and this archive knows version 1: install a newer Darner",
        ),
        ([], "postgres", ["database.schema=Bad"], "database.schema"),
        ([], "postgres", ["database.url_file=/nowhere"], "are both set: leave out one of them"),
    ],
    ids=["no such user", "no right", "another's table", "no version", "newer", "name", "two addresses"],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_the_cure(
    server: PostgreSql, before: list[str], user: str, settings: list[str], says: str
) -> None:
    server.ask(f"drop schema if exists {SCHEMA} cascade")
    server.ask("drop role if exists shut")
    spoil(server, *before)
    code, said = check(url(server, user), *settings)
    assert says in said
    assert (code, said.count("\n")) == (2, 1)


def test_tables_that_an_administrator_made_need_their_rights_too(server: PostgreSql) -> None:
    spoil(
        server,
        f"drop schema if exists {SCHEMA} cascade",
        "drop role if exists shut",
        "create role shut login",
    )
    with connect(place(DatabaseSettings(url=url(server)))) as db:
        from viewer_server.archive.start import sql

        db.execute(sql(SCHEMA).encode())
        db.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO shut".encode())
        assert "may not use the tables of schema darner_archive; grant it" in check(url(server, "shut"))[1]
        db.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {SCHEMA} TO shut".encode())
        assert "may not use the tables of schema darner_archive; grant it" in check(url(server, "shut"))[1]
        everything = f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO shut"
        db.execute(everything.encode())
        prepare(place(DatabaseSettings(url=url(server, "shut"))))
    server.ask(f"drop schema {SCHEMA} cascade")


def test_a_database_that_cannot_hold_every_name_is_refused(server: PostgreSql) -> None:
    server.ask("create database ascii encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
    code, said = check(url(server, name="ascii"))
    assert (code, "its encoding is SQL_ASCII" in said) == (2, True)


def test_a_server_that_is_not_there_is_named_and_no_password_is_shown(server: PostgreSql) -> None:
    address = f"postgresql://darner:horse-battery@127.0.0.1:{server.port + 1}/events"
    code, said = check(address)
    assert (code, "horse" in said) == (2, False)
    assert "Connection refused; is it running there (database.url)?" in said


def test_a_wrong_password_is_an_error_and_shown_nowhere() -> None:
    with PostgreSql() as server:
        spoil(server, "create role locked login password 'right-one'")
        server.let_in_by_password("locked")
        code, said = check(url(server, "locked:wrong-one"))
        assert (code, "wrong-one" in said) == (2, False)
        assert "password authentication failed" in said
        assert "check the user and the password in database.url_file or PGPASSFILE" in said
        assert "no password supplied; put a password into" in check(url(server, "locked"))[1]


def test_commits_wait_for_the_disk_whatever_the_default_is(db: Connection, server: PostgreSql) -> None:
    spoil(server, "alter role postgres set synchronous_commit = off")
    try:
        with connect(place(DatabaseSettings(url=url(server)))) as fresh:
            assert fresh.execute("SHOW synchronous_commit").fetchone() == ("on",)
    finally:
        spoil(server, "alter role postgres reset synchronous_commit")
    with pytest.raises(psycopg.Error):
        db.execute("SELECT nonsense")
