"""Emulator: the base class of emulated vendors, its server, media and webhook deliveries."""
