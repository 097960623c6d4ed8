-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- pg_dump has no search path, so that functions which the policies call have to name the schema of others.
CREATE OR REPLACE FUNCTION scope_in_force() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN public.is_scoped() THEN coalesce(nullif(current_setting('anju.scope', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE OR REPLACE FUNCTION scope_within() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN public.is_scoped() THEN coalesce(nullif(current_setting('anju.scope_within', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE OR REPLACE FUNCTION sees_everything() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT 'all' = ANY (public.scope_in_force()) AND 'all' = ANY (public.scope_within()) $$;

-- migrate:down

CREATE OR REPLACE FUNCTION scope_in_force() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN is_scoped() THEN coalesce(nullif(current_setting('anju.scope', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE OR REPLACE FUNCTION scope_within() RETURNS text []
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN is_scoped() THEN coalesce(nullif(current_setting('anju.scope_within', true), ''), '{}') ELSE '{all}'
    END::text []
$$;

CREATE OR REPLACE FUNCTION sees_everything() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT 'all' = ANY (scope_in_force()) AND 'all' = ANY (scope_within()) $$;
