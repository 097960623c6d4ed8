"""Alert rules: their model, derived values, engine, file language, and analysis. No module reads a clock."""
