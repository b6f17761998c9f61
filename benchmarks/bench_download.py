"""How fast does a file come to disk, proved whole? Beside curl, and beside requests in threads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import requests
from measure import Row

import recording_core as rec

HERE = Path(__file__).parent
LARGE, SMALL, FILES, WORKERS = 512 * 2**20, 200 * 2**10, 2000, 8


@contextmanager
def media_server() -> Iterator[str]:
    """The origin of a server process that sends as many bytes as its path says."""
    command = [sys.executable, str(HERE / "media_bytes.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def connected(origin: str) -> rec.Provider:
    return rec.connect(
        "realtimekit", base_url=f"{origin}/client/v4", account_id="a", app_id="b",
        api_token="token-of-nobody", http=rec.HttpSettings(workers=WORKERS, rate=None),
    )  # fmt: skip


def recording(origin: str, number: int, size: int) -> rec.Recording:
    """One whose only file is at that server."""
    url = f"{origin}/{size}/{number}.mp4"
    file = rec.MediaFile(
        "video", rec.FileRole.VIDEO, format="mp4", size=size, url=url, name=f"{number}.mp4"
    )
    return rec.Recording(
        "realtimekit", "default", f"r-{number}", kind=rec.SessionKind.MEETING,
        status=rec.RecordingStatus.AVAILABLE, created_at=datetime.now(UTC), files=(file,),
    )  # fmt: skip


def synced(path: Path) -> None:
    """Where its bytes are no longer in memory alone."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def took(work: Callable[[Path], None]) -> float:
    """Seconds, into a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-download-") as folder:
        start = time.perf_counter()
        work(Path(folder))
        return time.perf_counter() - start


def faster(peer: Callable[[Path], None], ours: Callable[[Path], None], rounds: int) -> float:
    """How many times as fast ours is; in turn, the first round not counted."""
    pairs = [(took(peer), took(ours)) for _ in range(rounds + 1)][1:]
    return median(pair[0] for pair in pairs) / median(pair[1] for pair in pairs)


def one_large(origin: str, provider: rec.Provider) -> float:
    """Hashed, verified, renamed and synced; curl's synced, too."""
    large = recording(origin, 0, LARGE)

    def curl(folder: Path) -> None:
        path = folder / "0.mp4"
        subprocess.run(["curl", "-sf", "-o", path, large.files[0].url or ""], check=True)
        synced(path)

    return faster(curl, lambda folder: none(provider.download(large, folder)), rounds=5)


def none(_: Sequence[rec.Copy]) -> None:
    """Copies that nobody asks after."""


def many_small(origin: str, provider: rec.Provider) -> float:
    """In threads; requests, with a session each, syncs as often and hashes nothing."""
    each = [recording(origin, number, SMALL) for number in range(FILES)]
    own = threading.local()

    def plain(given: rec.Recording, folder: Path) -> None:
        session: requests.Session | None = getattr(own, "session", None)
        if session is None:
            session = own.session = requests.Session()
        path = folder / f"{given.id}.mp4"
        with session.get(given.files[0].url or "", stream=True) as answer, path.open("wb") as file:
            for chunk in answer.iter_content(2**20):
                file.write(chunk)
        synced(path)
        synced(folder)  # as we do after the rename

    def in_threads(work: Callable[[rec.Recording, Path], object]) -> Callable[[Path], None]:
        def all_of_them(folder: Path) -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                assert sum(1 for _ in pool.map(lambda given: work(given, folder), each)) == FILES

        return all_of_them

    return faster(in_threads(plain), in_threads(provider.download), rounds=3)


def main() -> list[Row]:
    """The rows of the table."""
    with media_server() as origin, connected(origin) as provider:
        large = one_large(origin, provider)
        small = many_small(origin, provider)
    return [
        ("a download of 512 MiB, hashed, verified, synced, against curl and a sync",
         f"{large:.2f} ×", "≥ 0.9 ×", large >= 0.9),
        # No limit: how long a sync takes, which both wait for, is the disk's.
        (f"{FILES} downloads of 200 KiB in {WORKERS} threads, against requests with as many syncs",
         f"{small:.2f} ×", "–", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:84} {measured:>8} {wanted:>10} {'holds' if holds else 'FAILS'}")
