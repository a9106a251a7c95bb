-- Tables and views of Darner's archive. The archive runs this by itself, in the schema of `database.schema`. Where it may
-- not create tables, an administrator does: darner-archive --print-sql | psql
-- docs/how-to/archive.md explains the tables and views.

create table meta (key text primary key, value text not null);
insert into meta values ('version', '1'), ('archive', 'postgres-' || substr(md5(random()::text || clock_timestamp()), 1, 12));

-- One row for each event. `event` is the message as the node sent it, without its nulls; the other columns are for queries.
-- Identifiers are compared byte by byte: so a later boot sorts after an earlier one, whatever the database's language is.
create table events (
    node text collate "C" not null,
    boot text collate "C" not null,
    number bigint not null,
    occurred_at timestamptz not null, -- the time of arrival where the node's clock cannot be right
    stored_at timestamptz not null default now(),
    camera text collate "C" not null,
    zone text collate "C",
    type text collate "C" not null,
    direction text collate "C",
    label text,
    class_id bigint,
    track_id bigint,
    linked_track_id bigint,
    dwell_s double precision,
    count bigint,
    session text collate "C" not null,
    event jsonb not null,
    constraint events_pkey primary key (node, boot, number)
);
create index events_by_place on events (node, camera, zone, occurred_at);
create index events_by_time on events (occurred_at);
create index events_by_arrival on events (stored_at);
create index events_gaps on events (node) where type = 'gap';

-- How far each boot is stored. number: every event up to it is stored, or will never come; that is what is acknowledged.
-- pruned: events up to it were deleted, and are not stored again. Written by the worker that leads, and by nobody else.
create table boots (
    node text collate "C" not null,
    boot text collate "C" not null,
    number bigint not null,
    pruned bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (node, boot)
) with (fillfactor = 50);

-- Nodes for which there is room. events: how many are stored, also of boots that `boots` has forgotten.
create table nodes (
    node text collate "C" primary key,
    since timestamptz not null default now(),
    events bigint not null default 0
) with (fillfactor = 50);

-- What a committed batch holds, for the worker that leads: it deletes the row when it has moved the marks.
create table arrived (id bigint generated always as identity primary key, boots text not null);

-- Events that the database did not take, and why: the newest 1000. They are acknowledged, because to send them again
-- would not cure them.
create table refused (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    node text not null,
    boot text not null,
    number bigint not null,
    why text not null,
    event bytea not null
);

-- Events by minute, camera, zone or line, type, direction and class.
create view counts_per_minute as
select date_trunc('minute', occurred_at) as minute, node, camera, zone, type, direction, label, count(*) as n
from events group by 1, 2, 3, 4, 5, 6, 7;

-- Who came and went over lines, by minute.
create view crossings_per_minute as
select date_trunc('minute', occurred_at) as minute, node, camera, zone as line, label,
    count(*) filter (where direction = 'in') as came_in, count(*) filter (where direction = 'out') as went_out
from events where type = 'line_crossed' group by 1, 2, 3, 4, 5;

-- How long stays in zones lasted, by the hour in which they ended: seconds.
create view dwell_per_hour as
select date_trunc('hour', occurred_at) as hour, node, camera, zone, label, count(*) as stays, avg(dwell_s) as mean_s,
    percentile_cont(0.5) within group (order by dwell_s) as p50_s,
    percentile_cont(0.9) within group (order by dwell_s) as p90_s,
    percentile_cont(0.99) within group (order by dwell_s) as p99_s,
    max(dwell_s) as longest_s
from events where type in ('zone_exited', 'zone_lost') and dwell_s is not null group by 1, 2, 3, 4, 5;

-- How many were inside a zone after each change, as far as its events tell: every session begins with empty zones.
create view occupancy as
select occurred_at, node, camera, zone, session,
    sum(case type when 'zone_entered' then 1 else -1 end)
        over (partition by node, camera, zone, session order by occurred_at, boot, number) as inside
from events where type in ('zone_entered', 'zone_exited', 'zone_lost') and zone is not null;

-- What each node has here.
create view stored_per_node as
select node, n.events, max(b.updated_at) as heard_at, max(b.boot) as newest_boot
from nodes n join boots b using (node) group by node, n.events;
