-- The role that Grafana reads with: what the dashboards show and nothing else. No secret of a device, no account, no
-- audit log, no rejected payload. Run it as the owner of the tables after every `anju migrate`; it may run twice.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'anju_grafana') THEN
        CREATE ROLE anju_grafana NOLOGIN;
    END IF;
END
$$;

-- A chart over a year of a whole city must not hold up ingestion.
ALTER ROLE anju_grafana SET statement_timeout = '30s';
ALTER ROLE anju_grafana SET default_transaction_read_only = on;

GRANT USAGE ON SCHEMA public TO anju_grafana;
GRANT SELECT ON community, device_state, event, alert, rejection_count, silence, alert_suppression TO anju_grafana;
GRANT SELECT (id, community, name, kind, building, unit, room, location, simulated, service, withdrawn_at)
ON device TO anju_grafana;
GRANT SELECT (present_at) ON partition_report TO anju_grafana;
GRANT SELECT (device_id, field, at, old_register, new_register, withdrawn_at) ON meter_replacement TO anju_grafana;

DO $$
DECLARE
    telemetry regclass;
BEGIN
    FOR telemetry IN
        SELECT format('%I.%I', schemaname, tablename)::regclass
        FROM pg_tables
        WHERE schemaname = 'public' AND tablename LIKE 'telemetry\_%'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO anju_grafana', telemetry);
    END LOOP;
END
$$;
