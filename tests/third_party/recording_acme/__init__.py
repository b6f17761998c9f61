"""Acme Voice for recording-core."""
