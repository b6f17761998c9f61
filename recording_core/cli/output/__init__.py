"""Output: formats, tables, progress and generated help."""
