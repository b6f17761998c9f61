"""How does the library speak HTTP? Settings here; `requests` is imported by `session` alone."""

from recording_core.transport.settings import HttpSettings, MediaHosts

__all__ = ["HttpSettings", "MediaHosts"]
