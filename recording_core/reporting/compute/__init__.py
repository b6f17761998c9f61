"""Compute: measures and groupings on DuckDB or Spark."""
