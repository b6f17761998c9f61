"""Emulator of Twilio: its recordings API, media and webhooks on loopback."""

from recording_twilio.emulator.app import TwilioEmulator

__all__ = ["TwilioEmulator"]
