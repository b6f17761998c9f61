"""Conformance suite: the requirements that every provider meets, as tests to inherit."""
