"""Provider for Plivo: recordings of calls, conferences and multiparty calls."""
