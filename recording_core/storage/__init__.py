"""Storage: files at a path or at any fsspec URL, written whole or not at all."""
