"""Listing: pages, coverage, and the sweep that reads a vendor's list completely."""
