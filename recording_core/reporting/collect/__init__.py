"""Collect: rows of all accounts, stored as Parquet."""
