"""Emulator of Plivo: its recording API, media host and webhooks on loopback."""

from recording_plivo.emulator.app import PlivoEmulator

__all__ = ["PlivoEmulator"]
