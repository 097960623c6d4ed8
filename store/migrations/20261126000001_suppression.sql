-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A maintenance window: while it lasts, alerts that match every given condition are not notified.
CREATE TABLE silence (
    id uuid PRIMARY KEY,
    community text REFERENCES community (id),
    building text CHECK (building IS NULL OR community IS NOT NULL),
    kind text,
    rule text,
    device_id bigint REFERENCES device (id),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '90 days'),
    reason text NOT NULL CHECK (reason <> ''),
    actor text NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    CHECK (num_nonnulls(community, building, kind, rule, device_id) > 0),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);

CREATE INDEX silence_end ON silence (ends_at);

-- The building of an alert about several of its devices; such an alert has no device.
ALTER TABLE alert ADD COLUMN building text;

-- The causes that keep single alerts from being notified, apart from the windows above. Rows stay: an ended one has its
-- `until`, an open one may have none.
CREATE TABLE alert_suppression (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id uuid NOT NULL REFERENCES alert (id),
    cause text NOT NULL CHECK (
        cause IN ('shelved', 'maintenance', 'caused_by_parent', 'out_of_service', 'chattering')
    ),
    since timestamptz NOT NULL,
    until timestamptz CHECK (until >= since),
    detail text NOT NULL,
    actor text,
    released_by text,
    CHECK (cause <> 'shelved' OR (until IS NOT NULL AND until <= since + interval '24 hours'))
);

CREATE INDEX alert_suppression_alert ON alert_suppression (alert_id, cause, since);
CREATE INDEX alert_suppression_shelved ON alert_suppression (until) WHERE cause = 'shelved';

-- The causes that suppress each alert at one time. A shelving covers every alert of the same rule on the same device
-- until its end: otherwise a condition that comes and goes would notify again within minutes.
CREATE FUNCTION suppression_at(moment timestamptz)
RETURNS TABLE (alert_id uuid, cause text, since timestamptz, until timestamptz, detail text, actor text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT own.alert_id, own.cause, own.since, own.until, own.detail, own.actor
    FROM alert_suppression AS own
    WHERE own.cause <> 'shelved' AND own.since <= moment AND (own.until IS NULL OR own.until > moment)
    UNION ALL
    SELECT again.id, shelf.cause, shelf.since, shelf.until, shelf.detail, shelf.actor
    FROM alert_suppression AS shelf
    JOIN alert AS shelved ON shelved.id = shelf.alert_id
    JOIN alert AS again
        ON again.rule = shelved.rule
        AND coalesce(again.device_id, -again.partition) = coalesce(shelved.device_id, -shelved.partition)
        AND again.sequence >= shelved.sequence
    WHERE shelf.cause = 'shelved' AND shelf.since <= moment AND shelf.until > moment
    UNION ALL
    SELECT alert.id, 'maintenance', silence.starts_at, silence.ends_at, silence.reason, silence.actor
    FROM silence
    JOIN alert
        ON (silence.community IS NULL OR silence.community = alert.community)
        AND (silence.kind IS NULL OR silence.kind = alert.kind)
        AND (silence.rule IS NULL OR silence.rule = alert.rule)
        AND (silence.device_id IS NULL OR silence.device_id = alert.device_id)
    LEFT JOIN device ON device.id = alert.device_id
    WHERE silence.starts_at <= moment AND silence.ends_at > moment
        AND (silence.ended_at IS NULL OR silence.ended_at > moment)
        AND (silence.building IS NULL OR silence.building = coalesce(device.building, alert.building))
$$;

-- One row for each change by a person, written in the transaction of the change. `actor` is the owner of the key or
-- account, `person` the person that the holder of a shared key named. The request key identifies a repeated request.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    person text,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    request_key text
);

CREATE INDEX audit_log_subject ON audit_log (subject, subject_id, id);
CREATE UNIQUE INDEX audit_log_request ON audit_log (actor, request_key) WHERE request_key IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', tg_table_name;
END
$$;

CREATE TRIGGER audit_log_stands BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The alert that a person's decision is about: the rule may have raised the next one before its owner reads the
-- command. Commands that waited before this migration have none.
ALTER TABLE rule_command ADD COLUMN sequence bigint;

-- migrate:down

-- squawk-ignore ban-drop-column
ALTER TABLE rule_command DROP COLUMN sequence;
DROP TABLE audit_log;
DROP FUNCTION refuse_change();
DROP FUNCTION suppression_at(timestamptz);
DROP TABLE alert_suppression, silence;
-- squawk-ignore ban-drop-column
ALTER TABLE alert DROP COLUMN building;
