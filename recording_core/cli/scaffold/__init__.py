"""Scaffold: writes the distribution of a new provider from a template."""
