"""Which promises does the conformance suite prove? One file for each group; see `conformance`."""
