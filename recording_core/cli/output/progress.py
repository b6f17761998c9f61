"""Progress: bars and counts on standard error, if it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import recording_core as rec
from recording_core.reporting.number_format import format_count, format_size


@contextmanager
def show_status(text: str, *, hidden: bool = False) -> Iterator[Callable[[str], None]]:
    """Show a status line, which is removed at the end; yields a function that replaces its text."""
    if hidden or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield status.update


@contextmanager
def show_download_progress(
    recordings: Sequence[rec.Recording] | int, directory: Path, label: str
) -> Iterator[Callable[[Sequence[rec.Copy]], None]]:
    """Show a progress bar while the body downloads recordings, or a number, into a directory.

    Yields a function that the body calls with the copies of each recording.
    """
    finished: list[rec.Copy] = []
    if not sys.stderr.isatty():
        yield finished.extend
        return
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, TextColumn

    known = () if isinstance(recordings, int) else recordings
    count = recordings if isinstance(recordings, int) else len(recordings)
    sizes = [file.size or 0 for recording in known for file in recording.files]
    # Progress counts bytes if the vendor reports every size, otherwise recordings. A single
    # recording of unknown size has no total.
    in_bytes = all(sizes) and bool(sizes)
    total = sum(sizes) if in_bytes else count if count > 1 else None

    class DownloadProgress(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            """Read the sizes of the growing files at each refresh."""
            received = sum(copy.size for copy in finished) + _count_partial_bytes(directory)
            copied = len({copy.recording_id for copy in finished})
            so_far = format_size(received)
            if in_bytes:
                so_far += f" of {format_size(sum(sizes))}"
            elif count > 1:
                so_far = f"{copied} of {format_count(count, 'recording')}, {so_far}"
            for task in self.tasks:
                task.completed = received if in_bytes else copied
                task.fields["so_far"] = so_far
            return super().get_renderables()

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[so_far]}", markup=False),
    )
    with DownloadProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(label, total=total, so_far="")
        yield finished.extend


def _count_partial_bytes(directory: Path) -> int:
    """Return the bytes of the files that are being written, which are renamed when complete."""
    try:
        return sum(path.stat().st_size for path in directory.glob("*.part"))
    except OSError:
        return 0  # a file was just renamed
