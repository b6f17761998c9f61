"""Emulator: Bravo's API, media and webhooks on loopback. It shares no code with the client."""

from recording_bravo.emulator.app import BravoEmulator

__all__ = ["BravoEmulator"]
