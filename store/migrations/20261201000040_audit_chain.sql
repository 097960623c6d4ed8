-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- Each row of the audit log holds the hash of its content and of the row before it, so that no row can be changed, put in
-- or taken out in the middle unseen. The canonical form is that of store/admin/audit_chain.py: SHA-256 of the hash of the
-- row before (32 zero bytes for the first one) and of each field as a netstring (length in bytes, ":", UTF-8, ","), NULL
-- being "-,".
ALTER TABLE audit_log ADD COLUMN hash bytea;

-- The newest row. Writers take turns by its lock, which gives the rows an order without gaps.
CREATE TABLE audit_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id bigint NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);

CREATE FUNCTION netstring(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE WHEN value IS NULL THEN '-,' ELSE octet_length(convert_to(value, 'UTF8')) || ':' || value || ',' END
$$;

CREATE FUNCTION audit_hash(previous bytea, entry audit_log) RETURNS bytea
LANGUAGE sql STABLE
AS $$
    SELECT sha256(previous || convert_to(
        netstring(entry.id::text)
        || netstring(to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
        || netstring(entry.actor) || netstring(entry.person) || netstring(entry.action)
        || netstring(entry.subject) || netstring(entry.subject_id)
        || netstring(entry.before::text) || netstring(entry.after::text) || netstring(entry.request_key),
        'UTF8'
    ))
$$;

ALTER TABLE audit_log DISABLE TRIGGER audit_log_stands;
DO $$
DECLARE
    entry audit_log;
    newest audit_head;
BEGIN
    newest.id := 0;
    newest.hash := decode(repeat('00', 32), 'hex');
    FOR entry IN SELECT * FROM audit_log ORDER BY id LOOP
        newest.id := entry.id;
        newest.hash := audit_hash(newest.hash, entry);
        UPDATE audit_log SET hash = newest.hash WHERE id = entry.id;
    END LOOP;
    INSERT INTO audit_head (id, hash) VALUES (newest.id, newest.hash);
END
$$;
ALTER TABLE audit_log ENABLE TRIGGER audit_log_stands;

-- squawk-ignore adding-not-nullable-field
ALTER TABLE audit_log ALTER COLUMN hash SET NOT NULL;
-- squawk-ignore ban-alter-identity
ALTER TABLE audit_log ALTER COLUMN id DROP IDENTITY;

-- With the privileges of the owner: a writer can neither choose the id or the hash of its row nor change the head.
CREATE FUNCTION chain_audit_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    newest public.audit_head;
BEGIN
    SELECT * INTO STRICT newest FROM public.audit_head FOR UPDATE;
    NEW.id := newest.id + 1;
    NEW.hash := public.audit_hash(newest.hash, NEW);
    UPDATE public.audit_head SET id = NEW.id, hash = NEW.hash;
    RETURN NEW;
END
$$;

-- The list of changes: reads of households' data are many more. Built at once, for the log is small.
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX audit_log_changes ON audit_log (id) WHERE action <> 'read';

CREATE TRIGGER audit_log_chained BEFORE INSERT ON audit_log
FOR EACH ROW EXECUTE FUNCTION chain_audit_row();

-- migrate:down

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

DROP TRIGGER audit_log_chained ON audit_log;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX audit_log_changes;
DROP FUNCTION chain_audit_row();
DROP FUNCTION audit_hash(bytea, audit_log);
DROP FUNCTION netstring(text);
DROP TABLE audit_head;
-- squawk-ignore ban-drop-column
ALTER TABLE audit_log DROP COLUMN hash;
-- squawk-ignore ban-alter-identity
ALTER TABLE audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('audit_log', 'id'), coalesce(max(id), 0) + 1, false) FROM audit_log;
