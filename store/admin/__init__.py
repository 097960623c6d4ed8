"""The database as a whole: migrations, readiness, locks and the audit log."""
