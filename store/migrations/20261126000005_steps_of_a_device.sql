-- migrate:up transaction:false

-- For the transitions of a rule on a device before an alert (`anju rules explain`), and of rules on Anju itself, which
-- have no device (the backtest). Concurrently, because ingest writes to the table.
-- squawk-ignore ban-concurrent-index-creation-in-transaction, require-timeout-settings
CREATE INDEX CONCURRENTLY IF NOT EXISTS alert_transition_device ON alert_transition (device_id, id);

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_transition_device;
