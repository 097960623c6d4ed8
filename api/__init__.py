"""The HTTP API. Routes translate and delegate; they judge nothing."""
