"""Emulator: the API, media and webhooks on loopback. It shares no code with the client."""

from recording_acme.emulator.app import AcmeEmulator

__all__ = ["AcmeEmulator"]
