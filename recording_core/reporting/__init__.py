"""Reporting: collect the rows of all accounts, store them, compute measures and render them."""
