"""Archive: copies compared with requests, rclone and curl, and a run that finds all archived.

The servers are processes of their own. Everything is written to a disk, and synced.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import requests
from attrs import evolve
from bench_download import (
    FILES,
    LARGE,
    SMALL,
    WORKERS,
    build_recording,
    compute_speedup,
    connect,
    media_server,
    sync,
)
from bench_listing import LATENCY
from media_server import BLOCK, HEAD
from timing import BenchmarkRow
from vendor_pages import ROWS

import recording_core as rec
from recording_core.archiving.copier import Copier
from recording_core.archiving.index import Entry, Index
from recording_core.archiving.owner import check_owner
from recording_core.archiving.record import build_folder, build_record_name, compute_state
from recording_core.storage.folder import Folder

HERE = Path(__file__).parent
RCLONE = str(Path(sys.executable).with_name("rclone"))
#: The recordings that a run finds in the archive.
MANY = 100_000
#: The size of a record, in bytes.
RECORD = 2_000


@contextmanager
def listing_server(
    recordings: int, latency: float = 0.0, media: str = "http://127.0.0.1:9", size: int = SMALL
) -> Iterator[str]:
    """Start a RealtimeKit whose files are at a media server, and yield its origin."""
    pages = str(recordings // ROWS)
    command = [sys.executable, str(HERE / "listing_server.py"), "realtimekit", pages, str(latency)]
    with subprocess.Popen(
        [*command, media, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder with rclone, and yield the origin."""
    command = [RCLONE, "serve", "http", str(folder), "--addr", "127.0.0.1:0", "--use-json-log"]
    with subprocess.Popen([*command, "-v"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if "127.0.0.1:" in line:
                    port = json.loads(line)["msg"].rpartition("127.0.0.1:")[2].split("/")[0]
                    break
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


# -- copies ---------------------------------------------------------------------------------------


def compare_small_files(files: int = FILES, rounds: int = 3) -> float:
    """Compare an archive's copy with requests in as many threads, which computes no hash.

    Requests writes two files per recording in a new folder, as we do, and syncs all of them.
    """
    local = threading.local()

    def download_with_requests(origin: str, number: int, folder: Path) -> None:
        session: requests.Session | None = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
        folder = folder / f"{number % 256:02x}" / str(number)
        folder.mkdir(parents=True)
        sync(folder.parent)
        media, record = folder / "video.mp4", folder / "record.json"
        url = f"{origin}/{SMALL}/{number}.mp4"
        with session.get(url, stream=True) as response, media.open("wb") as file:
            for chunk in response.iter_content(2**20):
                file.write(chunk)
        sync(media)
        sync(folder)
        record.write_bytes(b" " * RECORD)
        sync(record)
        sync(folder)

    with media_server() as origin, listing_server(files, media=origin) as api:

        def download_all(folder: Path) -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                numbers = range(files)
                done = pool.map(lambda each: download_with_requests(origin, each, folder), numbers)
                assert sum(1 for _ in done) == files

        with connect(api) as provider:

            def copy_all(folder: Path) -> None:
                run = rec.Archive(folder).copy([provider], workers=WORKERS)
                assert run.copied == files, run.failed[:3]

            return compute_speedup(download_all, copy_all, rounds)


def compare_with_rclone(files: int = FILES, rounds: int = 3) -> float:
    """Compare downloads, each hashed and synced with its folder, with rclone and one sync."""
    with tempfile.TemporaryDirectory(prefix="bench-rclone-") as source:
        for number in range(files):
            Path(source, f"{number}.mp4").write_bytes(HEAD + BLOCK[: SMALL - len(HEAD)])
        with static_server(Path(source)) as origin, connect(origin) as provider:
            found = [build_recording(origin, number, SMALL) for number in range(files)]
            recordings = [_move(each, f"{origin}/{each.files[0].name}") for each in found]

            def copy_with_rclone(folder: Path) -> None:
                command = [RCLONE, "copy", ":http:", str(folder), "--http-url", origin]
                subprocess.run([*command, "--transfers", str(WORKERS)], check=True)
                subprocess.run(["sync", "-f", folder], check=True)

            def download_all(folder: Path) -> None:
                with ThreadPoolExecutor(WORKERS) as pool:
                    done = pool.map(lambda each: provider.download(each, folder), recordings)
                    assert sum(1 for _ in done) == files

            return compute_speedup(copy_with_rclone, download_all, rounds)


def _move(recording: rec.Recording, url: str) -> rec.Recording:
    return evolve(recording, files=(evolve(recording.files[0], url=url),))


def compare_large_file(size: int = LARGE, rounds: int = 3) -> tuple[float, float]:
    """Compare one large file with curl and a sync. Returns also the MiB that our memory grows."""
    with media_server() as origin, connect(origin) as provider:
        recordings = [build_recording(origin, 0, each) for each in (2**20, size)]

        def download_with_curl(folder: Path) -> None:
            path = folder / "0.mp4"
            url = recordings[1].files[0].url or ""
            subprocess.run(["curl", "-sf", "-o", path, url], check=True)
            sync(path)

        def copy(recording: rec.Recording) -> Callable[[Path], None]:
            def copy_into(folder: Path) -> None:
                copier = Copier(Folder(folder))
                outcome = copier.copy(provider, recording, compute_state(recording))
                assert outcome.kind == "copied", outcome.error

            return copy_into

        peaks: list[float] = []
        for each in recordings:
            with tempfile.TemporaryDirectory(prefix="bench-archive-") as folder:
                copy(each)(Path(folder))
            peaks.append(_read_peak())
        speedup = compute_speedup(download_with_curl, copy(recordings[1]), rounds)
    return speedup, peaks[1] - peaks[0]


def _read_peak() -> float:
    """Read the most memory that this process had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


# -- a run that finds nothing ---------------------------------------------------------------------


def write_archive(api: str, folder: str) -> None:
    """Write what the first run leaves, except for records and media, which the next does not read.

    In a process of its own, since it needs much memory.
    """
    with connect(api) as provider:
        archive = Folder(folder)
        check_owner(archive, provider)
        now = datetime.now(UTC)
        entries = [
            Entry(each, compute_state(each), now, _build_record_path(each), 1, each.size or 0)
            for each in provider.list()
        ]
        Index(archive).append(entries)
        rec.Archive(folder).copy([provider])  # writes how far it came


def _build_record_path(recording: rec.Recording) -> str:
    folder = build_folder(recording.provider, recording.account, recording.id)
    return f"{folder}/{build_record_name()}"


def measure_next_run(api: str, folder: str, recordings: int, rounds: int) -> tuple[float, float]:
    """Compare a run with the listing alone, in a process of its own.

    The listing alone is that of the same window. Returns the ratio of their times, and the peak of
    memory in MiB.
    """
    since = datetime(2026, 1, 1, tzinfo=UTC)
    pairs: list[tuple[float, float]] = []
    with connect(api) as provider:
        for _ in range(rounds + 1):
            start = time.perf_counter()
            assert sum(1 for _ in provider.list(since=since)) == recordings
            middle = time.perf_counter()
            run = rec.Archive(folder).copy([provider], since=since)
            pairs.append((time.perf_counter() - middle, middle - start))
            assert (run.already_there, run.copied, run.failed) == (recordings, 0, ())
    return median(ours / alone for ours, alone in pairs[1:]), _read_peak()


def compare_next_run(recordings: int = MANY, rounds: int = 3) -> tuple[float, float, int]:
    """Measure a run that finds everything: its time, its memory, and the files that it writes.

    There is no media server, so that a request for media would fail.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-archive-") as folder,
        listing_server(recordings, LATENCY) as api,
        ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as processes,
    ):
        processes.submit(write_archive, api, folder).result()
        before = _list_files(folder)
        ratio, memory = processes.submit(measure_next_run, api, folder, recordings, rounds).result()
        written = len(_list_files(folder) ^ before)
    return ratio, memory, written


def _list_files(folder: str) -> set[tuple[str, int]]:
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {(str(path), path.stat().st_mtime_ns) for path in paths}


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    large, growth = compare_large_file()  # first, since the peak of memory is that of the process
    small, rclone = compare_small_files(), compare_with_rclone()
    ratio, memory, written = compare_next_run()
    return [
        (f"archive: {FILES} copies of 200 KiB, {WORKERS} workers, against requests with as many "
         "syncs and no hash", f"{small:.2f} ×", "≥ 0.5 ×", small >= 0.5),
        (f"{FILES} downloads of 200 KiB in {WORKERS} threads, each synced, against `rclone copy` "
         "and one sync", f"{rclone:.2f} ×", "towards 0.8 ×", True),
        ("archive: a copy of 512 MiB, hashed, recorded, synced, against curl and a sync",
         f"{large:.2f} ×", "≥ 0.9 ×", large >= 0.9),
        ("archive: memory for 512 MiB more than for 1 MiB",
         f"+{growth:.0f} MiB", "≤ 60 MiB", growth <= 60),
        (f"archive: a run that finds {MANY:,} recordings archived, against the list alone",
         f"{ratio:.2f} ×", "≤ 1.2 ×", ratio <= 1.2),
        ("the same: files written", f"{written}", "0", written == 0),
        ("the same: memory of the whole process",
         f"{memory:.0f} MiB", "≤ 200 MiB", memory <= 200),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:104} {value:>8} {limit:>13} {'ok' if ok else 'FAILED'}")
