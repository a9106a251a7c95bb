-- Events of Darner in PostgreSQL 12 or newer: psql -f schema.sql, as often as you like.
-- load.sh fills the tables. timescale.sql makes hypertables of them, where TimescaleDB is installed.
create schema if not exists darner;

-- One row for each event; docs/reference/wire.md explains the columns. An event that comes twice is stored once. Its time,
-- which never changes, is part of the key only because TimescaleDB asks for that.
create table if not exists darner.event (
    occurred_at timestamptz not null,
    node text not null,
    boot text not null,
    number bigint not null,
    event_id text not null,
    session text not null,
    camera text not null,
    type text not null,
    zone text,
    direction text,
    track_id bigint,
    linked_track_id bigint,
    class_id integer,
    label text,
    dwell_s double precision,
    count integer,
    box real[],
    snapshot text,
    historical boolean not null default false,
    captured_at timestamptz not null,
    stored_at timestamptz not null default now(),
    primary key (node, boot, number, occurred_at)
);
-- Of an alert: the rule, how urgent it is, and its words. Of problem_started and problem_ended: what is wrong.
alter table darner.event add column if not exists alert jsonb, add column if not exists problem text;
create index if not exists event_by_place on darner.event (node, camera, zone, type, occurred_at);

-- The numbers of zones and lines, one row for each minute in which they changed: the last of that minute.
create table if not exists darner.zone (
    minute timestamptz not null,
    node text not null,
    camera text not null,
    zone text not null,
    session text not null,
    kind text not null,
    occupancy integer not null,
    entered bigint not null,
    exited bigint not null,
    lost bigint not null,
    queue_length integer,
    wait_average_s double precision,
    captured_at timestamptz not null,
    watched boolean not null default true, -- false: occupancy is 0 because the camera had ended, or had given no frame yet
    primary key (node, camera, zone, minute)
);

-- Why the zone counts nothing, such as its schedule; null: it counts. Where it is paused, its occupancy is 0.
alter table darner.zone add column if not exists paused text;

-- How far the events of each boot are stored, which is what load.sh acknowledges.
create table if not exists darner.progress (
    node text not null,
    boot text not null,
    number bigint not null,
    primary key (node, boot)
);
-- Stored numbers above the first that is missing, and ranges that the node has given up (events of type gap).
create table if not exists darner.ahead (
    node text not null,
    boot text not null,
    first bigint not null,
    last bigint not null,
    primary key (node, boot, first, last)
);
-- What could not be stored, and why: at most the newest 1000.
create table if not exists darner.refused (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    line text not null,
    why text not null
);

create or replace function darner.at(us bigint) returns timestamptz
language sql immutable as $$ select timestamptz 'epoch' + us * interval '1 microsecond' $$;

-- Notes that the numbers from first to last are stored or will never come, and moves on to the next that is missing.
create or replace function darner.advance(of_node text, of_boot text, oldest bigint, first_ bigint, last_ bigint)
returns void language plpgsql as $$
declare
    reached bigint;
    next_ bigint;
begin
    insert into darner.progress values (of_node, of_boot, oldest - 1)
    on conflict (node, boot) do update set number = greatest(progress.number, excluded.number)
    returning number into reached;
    if last_ > reached then
        insert into darner.ahead values (of_node, of_boot, first_, last_) on conflict do nothing;
    end if;
    loop
        select max(last) into next_ from darner.ahead
        where node = of_node and boot = of_boot and first <= reached + 1 and last > reached;
        exit when next_ is null;
        reached := next_;
    end loop;
    delete from darner.ahead where node = of_node and boot = of_boot and last <= reached;
    update darner.progress set number = reached where node = of_node and boot = of_boot;
end $$;

create or replace function darner.store_event(m jsonb) returns void language plpgsql as $$
begin
    insert into darner.event (
        occurred_at, node, boot, number, event_id, session, camera, type, zone, direction, track_id, linked_track_id,
        class_id, label, dwell_s, count, box, snapshot, historical, captured_at, alert, problem
    ) values (
        darner.at((m ->> 'occurred_us')::bigint), m ->> 'node', m ->> 'boot', (m ->> 'number')::bigint, m ->> 'event_id',
        m ->> 'session', m ->> 'camera', m ->> 'type', m ->> 'zone', m ->> 'direction', (m ->> 'track_id')::bigint,
        (m ->> 'linked_track_id')::bigint, (m ->> 'class_id')::integer, m ->> 'label', (m ->> 'dwell_s')::float8,
        (m ->> 'count')::integer,
        case jsonb_typeof(m -> 'box') when 'array'
            then array(select value::real from jsonb_array_elements_text(m -> 'box') with ordinality order by ordinality) end,
        m ->> 'snapshot', coalesce((m ->> 'historical')::boolean, false), darner.at((m ->> 'captured_us')::bigint),
        nullif(m -> 'alert', 'null'), m ->> 'problem'
    ) on conflict do nothing;
    perform darner.advance(
        m ->> 'node', m ->> 'boot', coalesce((m ->> 'oldest')::bigint, 1), (m ->> 'number')::bigint, (m ->> 'number')::bigint
    );
    if jsonb_typeof(m -> 'gap') = 'object' then
        perform darner.advance(
            m ->> 'node', m -> 'gap' ->> 'boot', 1, (m -> 'gap' ->> 'first')::bigint, (m -> 'gap' ->> 'last')::bigint
        );
    end if;
end $$;

create or replace function darner.store_zone(m jsonb) returns void language sql as $$
    insert into darner.zone (
        minute, node, camera, zone, session, kind, occupancy, entered, exited, lost, queue_length, wait_average_s,
        captured_at, watched, paused
    ) values (
        date_trunc('minute', darner.at((m ->> 'captured_us')::bigint)), m ->> 'node', m ->> 'camera', m ->> 'zone',
        m ->> 'session', m ->> 'kind', coalesce((m ->> 'occupancy')::integer, 0), coalesce((m ->> 'entered')::bigint, 0),
        coalesce((m ->> 'exited')::bigint, 0), coalesce((m ->> 'lost')::bigint, 0), (m -> 'queue' ->> 'length')::integer,
        (m -> 'queue' ->> 'wait_average_s')::float8, darner.at((m ->> 'captured_us')::bigint),
        coalesce((m ->> 'watched')::boolean, true), m ->> 'paused'
    )
    on conflict (node, camera, zone, minute) do update set
        session = excluded.session, kind = excluded.kind, occupancy = excluded.occupancy, entered = excluded.entered,
        exited = excluded.exited, lost = excluded.lost, queue_length = excluded.queue_length,
        wait_average_s = excluded.wait_average_s, captured_at = excluded.captured_at, watched = excluded.watched,
        paused = excluded.paused
    where excluded.captured_at >= zone.captured_at
$$;

-- Stores lines of "TOPIC MESSAGE", as mosquitto_sub -F '%t %p' prints them, and returns what to acknowledge: for each
-- node and boot among them, the number up to which every event is stored. A line that cannot be stored is kept in
-- darner.refused and holds up no other.
create or replace function darner.store(lines text[]) returns table (node text, boot text, number bigint)
language plpgsql as $$
declare
    line text;
    topic text;
    m jsonb;
    place text;
    touched text[][] := '{}';
begin
    foreach line in array lines loop
        topic := split_part(line, ' ', 1);
        continue when length(line) <= length(topic) + 1; -- an empty message, which clears its topic
        begin
            m := substr(line, length(topic) + 2)::jsonb;
            place := '/' || (m ->> 'node') || '/camera/' || (m ->> 'camera');
            if m ->> 'schema' = 'darner.event/1' and right(topic, length(place) + 7) = place || '/events' then
                perform darner.store_event(m);
                touched := touched || array[array[m ->> 'node', m ->> 'boot']];
            elsif m ->> 'schema' = 'darner.zone/1' and right(topic, length(place || '/zone/' || (m ->> 'zone'))) = place || '/zone/' || (m ->> 'zone') then
                perform darner.store_zone(m);
            else
                raise exception 'no event or zone of the node and camera that its topic names';
            end if;
        exception when others then
            insert into darner.refused (line, why) values (left(line, 2000), sqlerrm);
        end;
    end loop;
    delete from darner.refused where id <= (select max(id) - 1000 from darner.refused);
    return query
        select p.node, p.boot, p.number from darner.progress p
        where exists (
            select from generate_subscripts(touched, 1) i where touched[i][1] = p.node and touched[i][2] = p.boot
        ) and p.number > 0;
end $$;

-- What people were told of, the newest first.
create or replace view darner.alerts as
select occurred_at, node, camera, zone, alert ->> 'rule' as rule, alert ->> 'severity' as severity, alert ->> 'text' as text,
    historical, snapshot
from darner.event where type = 'alert' order by occurred_at desc;

-- Who came and went, hour by hour; a view to begin with.
create or replace view darner.crossings_by_hour as
select date_trunc('hour', occurred_at) as hour, node, camera, zone as line, label,
    count(*) filter (where direction = 'in') as came_in, count(*) filter (where direction = 'out') as went_out
from darner.event where type = 'line_crossed' group by 1, 2, 3, 4, 5;
