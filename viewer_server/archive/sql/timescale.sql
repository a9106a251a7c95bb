-- Makes a hypertable of the archive's events: run it once, in a database with TimescaleDB 2, when the archive has made its
-- tables. The search path names the archive's schema, and that of the extension. The archive goes on as before.
create extension if not exists timescaledb;

-- TimescaleDB wants the time to be a part of every key.
alter table events drop constraint events_pkey;
alter table events add constraint events_pkey primary key (node, boot, number, occurred_at);
drop index events_by_time; -- TimescaleDB makes its own
select create_hypertable('events', 'occurred_at', chunk_time_interval => interval '7 days', migrate_data => true);

-- After a month, rows are compressed to about a tenth; after two years, they go. These need the Community licence. Set
-- archive.max_age_days to null: deleting single rows of compressed weeks would cost much.
alter table events set (timescaledb.compress, timescaledb.compress_segmentby = 'node, camera', timescaledb.compress_orderby = 'occurred_at, boot, number');
select add_compression_policy('events', interval '30 days');
select add_retention_policy('events', interval '2 years');

-- Crossings by hour, kept up to date, which a chart over months reads in no time.
create materialized view crossings_by_hour with (timescaledb.continuous) as
select time_bucket('1 hour', occurred_at) as hour, node, camera, zone as line, label,
    count(*) filter (where direction = 'in') as came_in, count(*) filter (where direction = 'out') as went_out
from events where type = 'line_crossed' group by 1, 2, 3, 4, 5
with no data;
-- Events may come late: a node keeps them for a week (outbox.max_age_h).
select add_continuous_aggregate_policy('crossings_by_hour', start_offset => interval '8 days', end_offset => interval '1 hour', schedule_interval => interval '15 minutes');
