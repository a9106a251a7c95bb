-- Makes hypertables of the tables of schema.sql: run it once, after schema.sql, in a database with TimescaleDB 2.
-- The functions and load.sh stay as they are.
create extension if not exists timescaledb;

select create_hypertable('darner.event', 'occurred_at', chunk_time_interval => interval '7 days', migrate_data => true);
select create_hypertable('darner.zone', 'minute', chunk_time_interval => interval '7 days', migrate_data => true);

-- After a month, rows are compressed to about a tenth; after two years, they go. These need the Community licence.
alter table darner.event set (timescaledb.compress, timescaledb.compress_segmentby = 'node, camera', timescaledb.compress_orderby = 'occurred_at, boot, number');
alter table darner.zone set (timescaledb.compress, timescaledb.compress_segmentby = 'node, camera, zone');
select add_compression_policy('darner.event', interval '30 days');
select add_compression_policy('darner.zone', interval '30 days');
select add_retention_policy('darner.event', interval '2 years');
select add_retention_policy('darner.zone', interval '2 years');

-- Crossings by hour, kept up to date, which a chart over months reads in no time.
create materialized view darner.crossings with (timescaledb.continuous) as
select time_bucket('1 hour', occurred_at) as hour, node, camera, zone as line, label,
    count(*) filter (where direction = 'in') as came_in, count(*) filter (where direction = 'out') as went_out
from darner.event where type = 'line_crossed' group by 1, 2, 3, 4, 5
with no data;
-- Events may come late: a node keeps them for a week (outbox.max_age_h).
select add_continuous_aggregate_policy('darner.crossings', start_offset => interval '8 days', end_offset => interval '1 hour', schedule_interval => interval '15 minutes');
