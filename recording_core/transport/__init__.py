"""HTTP transport to vendors' APIs and media hosts; only this package imports `requests`."""

from recording_core.transport.settings import HttpSettings, MediaHosts

__all__ = ["HttpSettings", "MediaHosts"]
