"""Provider: the verbs of one vendor account, and how to connect to it."""
