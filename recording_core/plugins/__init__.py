"""Plugins: hook specifications, the registry, and the fields of vendor payloads."""
