"""HTML: a report as one self-contained page."""
