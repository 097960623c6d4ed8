"""The HTTP API. Routes translate and delegate; they evaluate nothing."""
