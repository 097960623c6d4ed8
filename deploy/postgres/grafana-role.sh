#!/bin/sh
# Let Grafana's role log in with the password of its secret file. Runs after every migration; twice changes nothing.
# The connection comes from libpq's own variables (PGHOST, PGUSER, ...).
set -eu

secrets=${SECRETS_DIR:-/run/secrets}
PGPASSWORD=$(cat "$secrets/postgres_password")
GRAFANA_PASSWORD=$(cat "$secrets/grafana_database_password")
export PGPASSWORD GRAFANA_PASSWORD

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "$(dirname "$0")/grafana-reader.sql"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 <<'SQL'
\getenv password GRAFANA_PASSWORD
ALTER ROLE anju_grafana LOGIN PASSWORD :'password';
SQL
echo "Grafana may read the database as anju_grafana."
