-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Row-level security: logins with the privileges of anju_api see the communities of two scopes, which each of its transactions sets
-- (store/database.py), and nothing without them. All others see all rows. A scope is an array of entries such as
-- `all`, `banner:东胜区`, `street:东胜区/林荫街道` and `community:linyin`.
CREATE FUNCTION is_scoped() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT coalesce(pg_has_role(to_regrole('anju_api'), 'USAGE'), false)
        AND NOT coalesce(pg_has_role(to_regrole('anju_owner'), 'USAGE'), false)
$$;

CREATE FUNCTION scope_in_force() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN is_scoped() THEN coalesce(nullif(current_setting('anju.scope', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE FUNCTION scope_within() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN is_scoped() THEN coalesce(nullif(current_setting('anju.scope_within', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE FUNCTION sees_everything() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT 'all' = ANY (scope_in_force()) AND 'all' = ANY (scope_within()) $$;

-- The entries of a scope to which a community belongs.
CREATE FUNCTION scope_entries(id text, banner text, street text) RETURNS text []
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ARRAY['all', 'community:' || id, 'banner:' || banner, 'street:' || banner || '/' || street] $$;

-- The sub-selects are evaluated once a query, and those on other tables under the policies of these.
ALTER TABLE community ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON community USING (
    (SELECT sees_everything())
    OR (
        scope_entries(id, banner, street) && (SELECT scope_in_force())
        AND scope_entries(id, banner, street) && (SELECT scope_within())
    )
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'household', 'device', 'alert', 'rejection_count', 'notice_message', 'verification'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenants ON %I USING ('
            '(SELECT sees_everything()) OR community IN (SELECT id FROM community))', name
        );
    END LOOP;
    FOREACH name IN ARRAY ARRAY[
        'device_state', 'device_rejection_count', 'meter_replacement', 'rejection', 'rule_state', 'shadow_transition',
        'spool_total', 'witnessed_test'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenants ON %1$I USING ('
            '(SELECT sees_everything()) OR EXISTS (SELECT FROM device WHERE device.id = %1$I.device_id))', name
        );
    END LOOP;
    FOREACH name IN ARRAY ARRAY['alert_transition', 'alert_suppression', 'notice'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenants ON %1$I USING ('
            '(SELECT sees_everything()) OR EXISTS (SELECT FROM alert WHERE alert.id = %1$I.alert_id))', name
        );
    END LOOP;
END
$$;

ALTER TABLE verification_result ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON verification_result USING (
    (SELECT sees_everything()) OR EXISTS (SELECT FROM verification WHERE verification.id = verification_id)
);

-- A window without a community covers every tenant: all see it, and who sees everything makes it.
ALTER TABLE silence ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON silence USING (
    (SELECT sees_everything()) OR community IN (SELECT id FROM community)
);
CREATE POLICY city_wide ON silence FOR SELECT USING (community IS NULL);

-- No row-level security on hypertables: TimescaleDB's columnstore refuses it. The API reads them through views, as it
-- does telemetry (store/telemetry/schema.py).
CREATE VIEW visible_event AS
SELECT event.* FROM event
WHERE
    (SELECT sees_everything())
    OR EXISTS (
        SELECT FROM device INNER JOIN community ON community.id = device.community
        WHERE
            device.id = event.device_id
            AND scope_entries(community.id, banner, street) && (SELECT scope_in_force())
            AND scope_entries(community.id, banner, street) && (SELECT scope_within())
    );

-- Functions of consumption read by the name of a kind, with the privileges of their caller.
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND strpos(prosrc, '''telemetry_'' ||') > 0
    LOOP
        EXECUTE replace(definition, '''telemetry_'' ||', '''visible_telemetry_'' ||');
    END LOOP;
END
$$;

-- migrate:down

-- Functions of consumption read by the name of a kind, with the privileges of their caller.
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND strpos(prosrc, '''visible_telemetry_'' ||') > 0
    LOOP
        EXECUTE replace(definition, '''visible_telemetry_'' ||', '''telemetry_'' ||');
    END LOOP;
END
$$;

-- squawk-ignore ban-drop-view
DROP VIEW visible_event;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT viewname FROM pg_views WHERE schemaname = 'public' AND viewname LIKE 'visible\_telemetry\_%' LOOP
        EXECUTE format('DROP VIEW %I', name);
    END LOOP;
    FOR name IN SELECT tablename FROM pg_policies WHERE schemaname = 'public' AND policyname = 'tenants' LOOP
        EXECUTE format('DROP POLICY tenants ON %I', name);
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
END
$$;
DROP POLICY city_wide ON silence;
DROP FUNCTION scope_entries(text, text, text);
DROP FUNCTION sees_everything();
DROP FUNCTION scope_within();
DROP FUNCTION scope_in_force();
DROP FUNCTION is_scoped();
