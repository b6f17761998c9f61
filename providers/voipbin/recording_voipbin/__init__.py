"""VoIPBin's recordings in the provider-neutral vocabulary of recording-core."""
