-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A shelving names the alert at the severity that it had: one that has become critical since was not named. NULL: unknown.
ALTER TABLE alert_suppression ADD COLUMN severity text;
UPDATE alert_suppression SET severity = alert.severity FROM alert WHERE alert.id = alert_suppression.alert_id;

-- The causes that suppress each alert at one time. A critical alert is one that can hurt people: only a maintenance window
-- that names its rule suppresses it, or a shelving of this very alert. A shelving of any other alert covers every alert of
-- the same rule on the same device until its end: otherwise a condition that comes and goes would notify again within
-- minutes.
CREATE OR REPLACE FUNCTION suppression_at(moment timestamptz)
RETURNS TABLE (alert_id uuid, cause text, since timestamptz, until timestamptz, detail text, actor text)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT own.alert_id, own.cause, own.since, own.until, own.detail, own.actor
    FROM alert_suppression AS own
    JOIN alert ON alert.id = own.alert_id
    WHERE own.cause <> 'shelved' AND own.since <= moment AND (own.until IS NULL OR own.until > moment)
        AND alert.severity <> 'critical'
    UNION ALL
    SELECT again.id, shelf.cause, shelf.since, shelf.until, shelf.detail, shelf.actor
    FROM alert_suppression AS shelf
    JOIN alert AS shelved ON shelved.id = shelf.alert_id
    JOIN alert AS again
        ON again.rule = shelved.rule
        AND coalesce(again.device_id, -again.partition) = coalesce(shelved.device_id, -shelved.partition)
        AND again.sequence >= shelved.sequence
    WHERE shelf.cause = 'shelved' AND shelf.since <= moment AND shelf.until > moment
        AND (again.severity <> 'critical' OR (again.id = shelved.id AND coalesce(shelf.severity, 'critical') = 'critical'))
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
        AND (alert.severity <> 'critical' OR silence.rule IS NOT NULL)
$$;

-- The place of a device in words, for dashboards; devices.place.compose_place does the same in Python, and a test compares
-- them. A part of ASCII characters gets its noun. A part with which the location begins is left out, and those after it.
CREATE FUNCTION compose_place(building text, unit text, room text, location text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN b <> '' AND starts_with(location, b) THEN location
        WHEN u <> '' AND starts_with(location, u) THEN b || location
        WHEN r <> '' AND starts_with(location, r) THEN b || u || location
        ELSE b || u || r || location
    END
    FROM (
        SELECT building || CASE WHEN building <> '' AND octet_length(building) = length(building) THEN '号楼' ELSE '' END AS b,
               unit || CASE WHEN unit <> '' AND octet_length(unit) = length(unit) THEN '单元' ELSE '' END AS u,
               room || CASE WHEN room <> '' AND octet_length(room) = length(room) THEN '室' ELSE '' END AS r
    ) AS part
$$;

-- Major messages are outside the limit of messages to a person, as critical ones are.
-- squawk-ignore renaming-column
ALTER TABLE notice_message RENAME COLUMN critical TO unlimited;

-- The code of the reason for which a queued notice waits. A dropped one has the code of its reason as last_error.
ALTER TABLE notice ADD COLUMN waits_for text;
UPDATE notice SET waits_for = CASE WHEN kind = 'escalated' THEN 'escalation' ELSE 'gathering' END
WHERE state = 'queued';
UPDATE notice
SET last_error = CASE last_error
    WHEN 'somebody has seen to it' THEN 'acknowledged'
    WHEN 'over before its suppression ended' THEN 'over_while_suppressed'
    WHEN 'it was told as over' THEN 'told_as_over'
    WHEN 'nobody was told of it' THEN 'not_told'
    WHEN 'the channel is no longer in the file' THEN 'channel_removed'
    ELSE last_error
END
WHERE state = 'dropped';

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

UPDATE notice
SET last_error = CASE last_error
    WHEN 'acknowledged' THEN 'somebody has seen to it'
    WHEN 'over' THEN 'somebody has seen to it'
    WHEN 'over_while_suppressed' THEN 'over before its suppression ended'
    WHEN 'told_as_over' THEN 'it was told as over'
    WHEN 'not_told' THEN 'nobody was told of it'
    WHEN 'channel_removed' THEN 'the channel is no longer in the file'
    ELSE last_error
END
WHERE state = 'dropped';
-- squawk-ignore ban-drop-column
ALTER TABLE notice DROP COLUMN waits_for;
-- squawk-ignore renaming-column
ALTER TABLE notice_message RENAME COLUMN unlimited TO critical;
DROP FUNCTION compose_place(text, text, text, text);

CREATE OR REPLACE FUNCTION suppression_at(moment timestamptz)
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

-- squawk-ignore ban-drop-column
ALTER TABLE alert_suppression DROP COLUMN severity;
