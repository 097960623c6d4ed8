"""Every line of SQL: migrations, registry, telemetry, events, alerts, evidence."""
