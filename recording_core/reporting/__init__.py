"""What does a desk ask of all vendors at once? Rows collected, stored, measured and shown."""
