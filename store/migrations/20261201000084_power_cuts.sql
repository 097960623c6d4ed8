-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- A planned power cut (停电计划) is a maintenance window for the alerts that a cut causes, by the names of their rules; it goes
-- on for a while after the power is back, until the devices have reported.
ALTER TABLE silence
ADD COLUMN purpose text NOT NULL DEFAULT 'maintenance' CHECK (purpose IN ('maintenance', 'power_cut')),
ADD COLUMN rules text [],
ADD COLUMN settling interval NOT NULL DEFAULT '0',
ADD CONSTRAINT silence_power_cut CHECK (
    (purpose = 'power_cut') = (rules IS NOT NULL)
    AND (purpose <> 'power_cut' OR (community IS NOT NULL AND num_nonnulls(kind, rule, device_id) = 0))
) NOT VALID;

-- As before, and a planned power cut suppresses the alerts of its rules.
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
    SELECT alert.id, 'maintenance', silence.starts_at, coalesce(silence.ended_at, silence.ends_at) + silence.settling,
        CASE silence.purpose WHEN 'power_cut' THEN '计划停电：' ELSE '' END || silence.reason, silence.actor
    FROM silence
    JOIN alert
        ON (silence.community IS NULL OR silence.community = alert.community)
        AND (silence.kind IS NULL OR silence.kind = alert.kind)
        AND (silence.rule IS NULL OR silence.rule = alert.rule)
        AND (silence.device_id IS NULL OR silence.device_id = alert.device_id)
    LEFT JOIN device ON device.id = alert.device_id
    WHERE silence.starts_at <= moment AND coalesce(silence.ended_at, silence.ends_at) + silence.settling > moment
        AND (silence.ended_at IS NULL OR silence.ended_at > silence.starts_at)
        AND (silence.rules IS NULL OR alert.rule = ANY (silence.rules))
        AND (silence.building IS NULL OR silence.building = coalesce(device.building, alert.building))
        AND (alert.severity <> 'critical' OR silence.rule IS NOT NULL)
$$;

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The older version would let a power cut suppress all alerts.
DELETE FROM silence WHERE purpose = 'power_cut';
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

ALTER TABLE silence
-- squawk-ignore ban-drop-column
DROP COLUMN purpose,
-- squawk-ignore ban-drop-column
DROP COLUMN rules,
-- squawk-ignore ban-drop-column
DROP COLUMN settling;
