"""Evidence that each item of the renovation plan works: criteria, coverage, reports."""
