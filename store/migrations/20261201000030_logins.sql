-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- The door keeps the logins of all devices in memory and reads those again that have a higher number than the last one
-- it saw. Numbers are taken under the lock of the registry, so that they become visible in their order and none is
-- passed over.
CREATE SEQUENCE login_change AS bigint;

-- The table is rewritten once, so that every device has a number of its own.
-- squawk-ignore adding-field-with-default, adding-not-nullable-field
ALTER TABLE device ADD COLUMN login_change bigint NOT NULL DEFAULT nextval('login_change');
-- squawk-ignore require-concurrent-index-creation
CREATE UNIQUE INDEX device_login_change ON device (login_change);

CREATE FUNCTION announce_login_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM registry_version FOR UPDATE;
    NOTIFY anju_login;
    RETURN NULL;
END;
$$;

CREATE TRIGGER device_login_announcement
BEFORE INSERT OR UPDATE OF community, kind, name, secret_hash, simulated, service, withdrawn_at ON device
FOR EACH STATEMENT EXECUTE FUNCTION announce_login_change();

CREATE FUNCTION number_login_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.login_change := nextval('login_change');
    RETURN NEW;
END;
$$;

CREATE TRIGGER device_login_change
BEFORE UPDATE OF community, kind, name, secret_hash, simulated, service, withdrawn_at ON device
FOR EACH ROW
WHEN (
    (OLD.community, OLD.kind, OLD.name, OLD.secret_hash, OLD.simulated, OLD.service, OLD.withdrawn_at)
    IS DISTINCT FROM
    (NEW.community, NEW.kind, NEW.name, NEW.secret_hash, NEW.simulated, NEW.service, NEW.withdrawn_at)
)
EXECUTE FUNCTION number_login_change();

-- migrate:down

SET LOCAL lock_timeout = '5s';

DROP TRIGGER device_login_change ON device;
DROP TRIGGER device_login_announcement ON device;
DROP FUNCTION number_login_change();
DROP FUNCTION announce_login_change();
-- squawk-ignore ban-drop-column
ALTER TABLE device DROP COLUMN login_change;
-- squawk-ignore ban-drop-sequence
DROP SEQUENCE login_change;
