"""The engine: compiled rules, the state machine of an instance, timers, no-data rules and group suppression."""
