-- Stores the events of the temporary table incoming, and says how many of each boot are new.
-- They are sorted, so that two workers with the same events wait for one another instead of blocking each other. Where the
-- time is that of the arrival, it cannot tell a repetition where it is a part of the key, as in a hypertable.
WITH added AS (
    INSERT INTO events (
        node, boot, number, occurred_at, camera, zone, type, direction, label, class_id, track_id, linked_track_id,
        dwell_s, count, session, event
    )
    SELECT i.node, i.boot, i.number, timestamptz 'epoch' + i.occurred_us * interval '1 microsecond',
        i.event ->> 'camera', i.event ->> 'zone', i.event ->> 'type', i.event ->> 'direction', i.event ->> 'label',
        (i.event ->> 'class_id')::bigint, (i.event ->> 'track_id')::bigint, (i.event ->> 'linked_track_id')::bigint,
        (i.event ->> 'dwell_s')::float8, (i.event ->> 'count')::bigint, i.event ->> 'session', i.event
    FROM incoming i
    WHERE i.number > coalesce((SELECT b.pruned FROM boots b WHERE b.node = i.node AND b.boot = i.boot), 0)
        AND NOT (i.corrected AND EXISTS (
            SELECT FROM events e WHERE e.node = i.node AND e.boot = i.boot AND e.number = i.number
        ))
    ORDER BY i.node, i.boot, i.number
    ON CONFLICT DO NOTHING
    RETURNING node, boot
)
SELECT node, boot, count(*) FROM added GROUP BY node, boot
