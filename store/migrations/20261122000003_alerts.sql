-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- One row an alert. The process axis (does the condition hold?) and the attention axis (who works on it?) are separate.
-- device_id is empty for an alert about Anju itself.
CREATE TABLE alert (
    id uuid PRIMARY KEY,
    rule text NOT NULL,
    rule_version text NOT NULL,
    device_id bigint REFERENCES device (id),
    sequence bigint NOT NULL,
    community text REFERENCES community (id),
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'major', 'critical')),
    title text NOT NULL,
    message text NOT NULL,
    advice text NOT NULL,
    process text NOT NULL CHECK (process IN ('active', 'recovering', 'latched', 'ended')),
    attention text NOT NULL DEFAULT 'unacknowledged' CHECK (
        attention IN ('unacknowledged', 'acknowledged', 'assigned', 'in_progress', 'resolved', 'closed')
    ),
    assignee text,
    opened_at timestamptz NOT NULL,
    raised_at timestamptz NOT NULL,
    ended_at timestamptz,
    simulated boolean NOT NULL
);

CREATE UNIQUE INDEX alert_one_open ON alert (rule, coalesce(device_id, 0)) WHERE process <> 'ended';
CREATE INDEX alert_recent ON alert (opened_at DESC, id);
CREATE INDEX alert_community ON alert (community, opened_at DESC);
CREATE INDEX alert_device ON alert (device_id, opened_at DESC);

-- The id orders the stream that clients resume from. It is assigned before the commit, so writers take turns by an
-- advisory lock: a reader that has seen n has seen every id below n.
CREATE TABLE alert_transition (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid REFERENCES alert (id),
    rule text NOT NULL,
    rule_version text NOT NULL,
    device_id bigint,
    sequence bigint NOT NULL,
    axis text NOT NULL CHECK (axis IN ('process', 'attention')),
    from_state text NOT NULL,
    to_state text NOT NULL,
    at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    reason text NOT NULL,
    actor text,
    comment text,
    inputs jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX alert_transition_alert ON alert_transition (alert_id, id);

-- Every rule instance that is not normal, and the sequence of each that once was not.
CREATE TABLE rule_state (
    rule text NOT NULL,
    device_id bigint NOT NULL,
    rule_version text NOT NULL,
    phase text NOT NULL,
    since timestamptz,
    deadline timestamptz,
    sequence bigint NOT NULL,
    memory jsonb NOT NULL,
    PRIMARY KEY (rule, device_id)
);

-- Decisions of people about alerts that the owner of the rule's state has still to carry out.
CREATE TABLE rule_command (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule text NOT NULL,
    device_id bigint NOT NULL,
    command text NOT NULL CHECK (command IN ('close')),
    actor text NOT NULL,
    given_at timestamptz NOT NULL
);

-- migrate:down

DROP TABLE rule_command, rule_state, alert_transition, alert;
