-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The channels of notices, with the totals of their attempts. After a failure nothing is sent before retry_at. The
-- address of a channel is secret and stands only in the operator's file.
CREATE TABLE notice_channel (
    channel text PRIMARY KEY,
    sent bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    failures bigint NOT NULL DEFAULT 0,
    retry_at timestamptz,
    last_error text,
    last_sent_at timestamptz
);

-- Sent messages, for the limit on messages to a person. Community and rule are empty if the notices have several.
CREATE TABLE notice_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    sent_at timestamptz NOT NULL,
    form text NOT NULL,
    community text,
    rule text,
    critical boolean NOT NULL,
    notices bigint NOT NULL
);

CREATE INDEX notice_message_recent ON notice_message (channel, sent_at);

-- One row for each notice through a channel. The key makes sure that each is sent at most once.
CREATE TABLE notice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES alert (id),
    channel text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('raised', 'escalated', 'fallback', 'resolved')),
    n bigint NOT NULL,
    severity text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'dead', 'dropped')),
    queued_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    last_error text,
    settled_at timestamptz,
    message_id bigint REFERENCES notice_message (id),
    told_over boolean NOT NULL DEFAULT false,
    held boolean NOT NULL DEFAULT false,
    UNIQUE (alert_id, channel, kind, n)
);

COMMENT ON COLUMN notice.severity IS 'that of the alert when it was queued; an alert that has become graver is told again';

COMMENT ON COLUMN notice.told_over IS 'what was sent said that it is over, so that nothing more has to be told';

COMMENT ON COLUMN notice.held IS 'it waited because its alert was suppressed; over by the end of that, it is not told';

CREATE INDEX notice_message_of ON notice (message_id);
CREATE INDEX notice_settled ON notice (settled_at);
CREATE INDEX notice_due ON notice (channel, due_at) WHERE state = 'queued';

-- migrate:down

DROP TABLE notice, notice_message, notice_channel;
