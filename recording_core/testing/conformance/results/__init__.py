"""Results of the conformance suite: outcomes of tests, verdicts per provider, and their table."""
