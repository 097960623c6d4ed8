-- migrate:up transaction:false

-- The steps of people by time, for statistics and for the handover of a shift: few among those of rules.
-- squawk-ignore ban-concurrent-index-creation-in-transaction, require-timeout-settings
CREATE INDEX CONCURRENTLY IF NOT EXISTS alert_transition_people ON alert_transition (decided_at) WHERE axis = 'attention';

-- migrate:down

-- squawk-ignore require-concurrent-index-deletion
DROP INDEX alert_transition_people;
