"""Who runs the tests below? `tests/test_third_party.py`, where this distribution is installed."""

collect_ignore_glob = ["*"]
