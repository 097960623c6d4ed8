"""Looking back: backtests, alarm load, and why an alert was or was not raised."""
