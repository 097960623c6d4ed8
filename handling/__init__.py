"""The work of people on alerts, below the API and the pages: actions, figures, duty, handover, work orders."""
