-- migrate:up

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '5min';

-- `scope` holds the entries of accounts/principal.py. Without a password an account logs in by OIDC alone. The secret of
-- the second factor is encrypted with a key derived from ANJU_SECRET_KEY.
CREATE TABLE account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    display_name text NOT NULL CHECK (display_name <> ''),
    role text NOT NULL CHECK (role IN ('property', 'street', 'bureau', 'utility', 'admin', 'developer')),
    scope text [] NOT NULL,
    password_hash text,
    change_password boolean NOT NULL DEFAULT true,
    totp_secret bytea,
    totp_confirmed boolean NOT NULL DEFAULT false,
    totp_step bigint NOT NULL DEFAULT 0,
    recovery_hashes bytea [] NOT NULL DEFAULT '{}',
    oidc_subject text UNIQUE,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

-- Logins of pages and short-lived tokens of programs. The token itself is stored nowhere. `step` is what the login still
-- needs before it opens anything.
CREATE TABLE account_session (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    kind text NOT NULL CHECK (kind IN ('page', 'token')),
    step text NOT NULL CHECK (step IN ('second_factor', 'enrol_second_factor', 'change_password', 'done')),
    address text NOT NULL,
    agent text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX account_session_account ON account_session (account_id);

-- The role and the scope of a key are no wider than those of its account, at each request.
CREATE TABLE api_key (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    key_hash bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    scope text [] NOT NULL,
    reads_only boolean NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX api_key_account ON api_key (account_id);

-- Failed logins of late, by login name and network. The name is hashed: people type their passwords there.
CREATE TABLE login_failure (
    name_hash bytea NOT NULL,
    network text NOT NULL,
    failures bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (name_hash, network)
);

CREATE INDEX login_failure_last ON login_failure (last_at);

-- migrate:down

DROP TABLE login_failure;
DROP TABLE api_key;
DROP TABLE account_session;
DROP TABLE account;
