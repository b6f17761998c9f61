"""The emulated VoIPBin: its recording API and its bucket, on loopback."""

from recording_voipbin.emulator.app import VoIPBinEmulator

__all__ = ["VoIPBinEmulator"]
