"""Download: transfer, atomic files, formats and file names."""
