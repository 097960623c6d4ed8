"""The database as a whole: migrations, readiness, retention, locks and the audit log."""
