"""Fuzz: mutated payloads, forged webhook requests, and answers without a socket."""
