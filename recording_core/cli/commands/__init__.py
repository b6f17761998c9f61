"""Commands: one module per command of `recordings`."""
