"""Configuration: accounts of a file and of the environment, and the sources of their settings."""
