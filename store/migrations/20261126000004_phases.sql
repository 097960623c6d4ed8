-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The service state of a device, decided by people: commissioning until the handover, out of service for a while,
-- retired for good. Only a device in service can have a no-data alert.
ALTER TABLE device ADD COLUMN service text NOT NULL DEFAULT 'in_service';
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE device ADD CONSTRAINT device_service
CHECK (service IN ('in_service', 'commissioning', 'out_of_service', 'retired'));

-- Marks of an alert. Chattering: raised for the third time within a minute, or soon after that. Historical: ended
-- before late data raised it, so that it is not notified.
ALTER TABLE alert ADD COLUMN chattering boolean NOT NULL DEFAULT false;
ALTER TABLE alert ADD COLUMN historical boolean NOT NULL DEFAULT false;

-- The causes that suppressed the alert at the time of the decision.
ALTER TABLE alert_transition ADD COLUMN suppressions text [] NOT NULL DEFAULT '{}';

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX alert_chattering ON alert (opened_at) WHERE chattering;

-- Transitions of rules on trial. They are apart from alert_transition, so that no reader of alerts can mistake them.
CREATE TABLE shadow_transition (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurrence_id uuid,
    rule text NOT NULL,
    rule_version text NOT NULL,
    device_id bigint NOT NULL,
    sequence bigint NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    reason text NOT NULL,
    severity text NOT NULL,
    title text NOT NULL,
    message text NOT NULL,
    inputs jsonb NOT NULL
);

CREATE INDEX shadow_transition_rule ON shadow_transition (rule, id);

-- migrate:down

DROP TABLE shadow_transition;
-- squawk-ignore ban-drop-column
ALTER TABLE alert_transition DROP COLUMN suppressions;
-- squawk-ignore ban-drop-column
ALTER TABLE alert DROP COLUMN chattering, DROP COLUMN historical;
-- squawk-ignore ban-drop-column
ALTER TABLE device DROP COLUMN service;
