"""The engine: compiled rules, the state machine of an alert, its timers, and what one device explains of another."""
