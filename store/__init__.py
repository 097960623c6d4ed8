"""Every line of SQL, in five rooms over one connection module: telemetry, registry, alerts, notices, admin."""
