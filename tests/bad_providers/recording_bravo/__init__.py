"""Bravo Meet: an honest third-party provider, of which the bad providers are copies."""
