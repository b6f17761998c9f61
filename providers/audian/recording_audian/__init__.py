"""Audian's call and conference recordings, as a provider for recording-core."""
