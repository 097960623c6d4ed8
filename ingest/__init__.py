"""From the broker to the database: subscribe, decode, write and evaluate, acknowledge."""
