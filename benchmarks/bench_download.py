"""Downloads: verified downloads to disk, compared with curl and with requests in threads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import requests
from timing import BenchmarkRow

import recording_core as rec

HERE = Path(__file__).parent
LARGE, SMALL, FILES, WORKERS = 512 * 2**20, 200 * 2**10, 2000, 8


@contextmanager
def media_server() -> Iterator[str]:
    """Start a media server process and yield its origin; the path of a URL sets the size."""
    command = [sys.executable, str(HERE / "media_server.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def connect(origin: str) -> rec.Provider:
    return rec.connect(
        "realtimekit", base_url=f"{origin}/client/v4", account_id="a", app_id="b",
        api_token="any-token", http=rec.HttpSettings(workers=WORKERS, rate=None),
    )  # fmt: skip


def build_recording(origin: str, number: int, size: int) -> rec.Recording:
    """Build a recording whose only file is at that server."""
    url = f"{origin}/{size}/{number}.mp4"
    file = rec.MediaFile(
        "video", rec.FileRole.VIDEO, format="mp4", size=size, url=url, name=f"{number}.mp4"
    )
    return rec.Recording(
        "realtimekit", "default", f"r-{number}", kind=rec.SessionKind.MEETING,
        status=rec.RecordingStatus.AVAILABLE, created_at=datetime.now(UTC), files=(file,),
    )  # fmt: skip


def sync(path: Path) -> None:
    """Sync a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def measure_seconds(download: Callable[[Path], None]) -> float:
    """Measure a download into a temporary folder, in seconds."""
    with tempfile.TemporaryDirectory(prefix="bench-download-") as folder:
        start = time.perf_counter()
        download(Path(folder))
        return time.perf_counter() - start


def compute_speedup(
    reference: Callable[[Path], None], ours: Callable[[Path], None], rounds: int
) -> float:
    """Compute how many times as fast ours is, in turn, without the first round."""
    pairs = [(measure_seconds(reference), measure_seconds(ours)) for _ in range(rounds + 1)][1:]
    return median(pair[0] for pair in pairs) / median(pair[1] for pair in pairs)


def compare_large_file(origin: str, provider: rec.Provider) -> float:
    """Compare with curl. Ours is hashed, verified, renamed and synced; curl's file is synced."""
    large = build_recording(origin, 0, LARGE)

    def download_with_curl(folder: Path) -> None:
        path = folder / "0.mp4"
        subprocess.run(["curl", "-sf", "-o", path, large.files[0].url or ""], check=True)
        sync(path)

    def download(folder: Path) -> None:
        provider.download(large, folder)

    return compute_speedup(download_with_curl, download, rounds=5)


def compare_small_files(origin: str, provider: rec.Provider) -> float:
    """Compare with requests, both in threads.

    Requests has a session per thread, syncs as often as we do, and computes no hash.
    """
    recordings = [build_recording(origin, number, SMALL) for number in range(FILES)]
    local = threading.local()

    def download_with_requests(recording: rec.Recording, folder: Path) -> None:
        session: requests.Session | None = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
        path = folder / f"{recording.id}.mp4"
        url = recording.files[0].url or ""
        with session.get(url, stream=True) as response, path.open("wb") as file:
            for chunk in response.iter_content(2**20):
                file.write(chunk)
        sync(path)
        sync(folder)  # as we do after the rename

    def run_in_threads(
        download: Callable[[rec.Recording, Path], object],
    ) -> Callable[[Path], None]:
        def download_all(folder: Path) -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                done = pool.map(lambda recording: download(recording, folder), recordings)
                assert sum(1 for _ in done) == FILES

        return download_all

    return compute_speedup(
        run_in_threads(download_with_requests), run_in_threads(provider.download), rounds=3
    )


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    with media_server() as origin, connect(origin) as provider:
        large = compare_large_file(origin, provider)
        small = compare_small_files(origin, provider)
    return [
        ("a download of 512 MiB, hashed, verified, synced, against curl and a sync",
         f"{large:.2f} ×", "≥ 0.9 ×", large >= 0.9),
        # No limit: both wait for syncs, whose duration depends on the disk.
        (f"{FILES} downloads of 200 KiB in {WORKERS} threads, against requests with as many syncs",
         f"{small:.2f} ×", "–", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:84} {value:>8} {limit:>10} {'ok' if ok else 'FAILED'}")
