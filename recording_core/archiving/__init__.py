"""Archiving: verified copies of every vendor's recordings in one place, on a disk or elsewhere."""
