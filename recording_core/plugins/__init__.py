"""Plugins: hook specifications, the registry, and readers for vendor payloads."""
