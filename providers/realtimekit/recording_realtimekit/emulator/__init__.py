"""Emulator: plays RealtimeKit on loopback, with the quirks that its pages document."""

from recording_realtimekit.emulator.app import RealtimeKitEmulator

__all__ = ["RealtimeKitEmulator"]
