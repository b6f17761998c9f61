"""How far is it? Bars and counts on standard error, for whoever watches it on a terminal."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import recording_core as rec
from recording_core.cli.output.values import size

__all__ = ["counting", "downloading"]

#: How often a file that grows is measured, in seconds.
_LOOK_EVERY = 0.1


@contextmanager
def counting(words: str) -> Iterator[Callable[[str], None]]:
    """A line that tells how far it is, and is gone at the end."""
    from rich.console import Console

    with Console(stderr=True).status(words) as status:
        yield status.update


@contextmanager
def downloading(
    recordings: Sequence[rec.Recording], directory: Path, words: str
) -> Iterator[Callable[[Sequence[rec.Copy]], None]]:
    """A bar of the bytes of these recordings; the body downloads them and tells of each copy."""
    if not sys.stderr.isatty():
        yield lambda copies: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    sizes = [file.size or 0 for recording in recordings for file in recording.files]
    # In bytes where the vendor tells all of them, else in recordings; one alone has no middle.
    in_bytes = all(sizes) and bool(sizes)
    total = sum(sizes) if in_bytes else len(recordings) if len(recordings) > 1 else None
    whole: list[rec.Copy] = []
    done = threading.Event()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[so_far]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total, so_far="")

        def show() -> None:
            have = sum(copy.size for copy in whole) + _arriving(directory)
            copied = len({copy.recording_id for copy in whole})
            so_far = f"{size(have)} of {size(sum(sizes))}" if in_bytes else size(have)
            bar.update(task, completed=have if in_bytes else copied, so_far=so_far)

        def watch() -> None:
            while not done.wait(_LOOK_EVERY):
                show()

        def arrived(copies: Sequence[rec.Copy]) -> None:
            whole.extend(copies)
            show()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield arrived
        finally:
            done.set()
            watcher.join()


def _arriving(directory: Path) -> int:
    """Bytes of the files that are being written: they are named in the end."""
    try:
        return sum(
            entry.stat().st_size for entry in os.scandir(directory) if entry.name.endswith(".part")
        )
    except OSError:
        return 0  # not made yet, or named just now
