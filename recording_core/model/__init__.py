"""Model: frozen values, enums, events, state transitions and serialisation. No I/O."""
