"""Demo: what `recordings demo` runs and shows."""
