"""Output: formats, tables, messages and progress."""
