"""Private PostgreSQL + TimescaleDB and NATS for a machine without Docker."""
