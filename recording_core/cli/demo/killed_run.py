"""Killed run: a process that copies into an archive and kills itself in the middle.

It reads one JSON object from standard input: `folder`, `days`, `copies`, and `accounts` with the
arguments of `connect`. It prints the number of copies that it made.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import recording_core as rec


def run(folder: str, days: int, copies: int, accounts: list[dict[str, Any]]) -> None:
    """Copy the last days, and end without any cleanup after a number of copies."""
    since = datetime.now(UTC) - timedelta(days=days)
    made = 0

    def count(progress: rec.ArchiveProgress) -> None:
        nonlocal made
        made += progress.kind == "copied"
        if made >= copies:
            print(made, flush=True)
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    with ExitStack() as stack:
        providers = [stack.enter_context(rec.connect(**each)) for each in accounts]
        rec.Archive(folder).copy(providers, since=since, on_progress=count)


if __name__ == "__main__":
    run(**json.load(sys.stdin))
