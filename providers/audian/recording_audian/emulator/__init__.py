"""The emulated Audian: its recording API and its media host, on loopback."""

from recording_audian.emulator.app import AudianEmulator

__all__ = ["AudianEmulator"]
