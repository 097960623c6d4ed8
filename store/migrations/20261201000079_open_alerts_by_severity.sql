-- migrate:up transaction:false

-- Open alerts, the gravest first: the inbox of a city. They are few among all alerts ever.
-- squawk-ignore ban-concurrent-index-creation-in-transaction, require-timeout-settings
CREATE INDEX CONCURRENTLY IF NOT EXISTS alert_open_by_severity ON alert (
    array_position('{critical,major,warning,info}'::text [], severity), opened_at DESC, id
) WHERE process <> 'ended';

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_open_by_severity;
