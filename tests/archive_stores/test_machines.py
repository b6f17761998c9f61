"""Several machines on one archive: shards, other processes, and workers that die."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core.archiving.copier import CopyTask, run_task
from recording_core.errors import ConfigurationError, StorageError
from recording_core.transport.rate_limit import TokenBucket

#: One recording has failed at the vendor, and has no media.
RECORDINGS = 24
COPIES = RECORDINGS - 1
OpenStore = Callable[[str], Any]


@pytest.fixture(scope="module")
def vendor() -> Iterator[AudianEmulator]:
    with AudianEmulator(recordings=RECORDINGS) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def account(
    clean_environment: None, vendor: AudianEmulator, monkeypatch: pytest.MonkeyPatch
) -> rec.Account:
    """An account of the environment, which other processes inherit."""
    monkeypatch.setenv("AUDIAN_BASE_URL", vendor.base_url)
    monkeypatch.setenv("AUDIAN_API_KEY", vendor.credentials["api_key"])
    vendor.journal.clear()
    return rec.Account("audian")


def count_media_requests(vendor: AudianEmulator) -> Counter[str]:
    return Counter(each.request.path for each in vendor.journal if each.port == "media")


class ThreadedTasks(ThreadPoolExecutor):
    """An executor that pickles tasks and results, as one of processes does, and keeps them."""

    def __init__(self) -> None:
        super().__init__(4)
        self.sent: list[bytes] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sent.append(pickle.dumps((function, args)))
        copy, copied = pickle.loads(self.sent[-1])
        return super().submit(lambda: pickle.loads(pickle.dumps(copy(*copied, **kwargs))))


def check_all_copied(archive: rec.Archive, run: rec.ArchiveRun, vendor: AudianEmulator) -> None:
    assert (run.copied, run.failed, run.complete) == (COPIES, (), True)
    media = count_media_requests(vendor)
    assert (len(media), set(media.values())) == (COPIES, {1})
    verified = archive.verify(sample=0.2)
    assert (verified.recordings, verified.ok, verified.garbage) == (COPIES, True, 0)
    # The caller wrote the index: the next run asks the store for nothing.
    assert archive.copy([rec.Account("audian")]).copied == 0


def test_tasks_hold_no_credentials(
    account: rec.Account, vendor: AudianEmulator, tmp_path: Path
) -> None:
    archive = rec.Archive(tmp_path / "archive")
    with ThreadedTasks() as executor:
        run = archive.copy([account], executor=executor)
    check_all_copied(archive, run, vendor)
    assert len(executor.sent) >= 2
    secret = vendor.credentials["api_key"].encode()
    assert not any(secret in task for task in executor.sent)


class Elsewhere(ThreadPoolExecutor):
    """An executor on another machine: it changes what a task finds there."""

    def __init__(self, change: Callable[[CopyTask, pytest.MonkeyPatch], CopyTask]) -> None:
        super().__init__(1)
        self._change = change

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        def run(task: CopyTask) -> Any:
            with pytest.MonkeyPatch.context() as patch:
                return run_task(self._change(task, patch))

        return super().submit(run, *args, **kwargs)


def test_a_task_without_credentials_fails_with_the_reason(
    account: rec.Account, tmp_path: Path
) -> None:
    def change(task: CopyTask, patch: pytest.MonkeyPatch) -> CopyTask:
        patch.delenv("AUDIAN_API_KEY")
        return task

    with Elsewhere(change) as executor:
        run = rec.Archive(tmp_path / "archive").copy([account], executor=executor, workers=1)
    assert (run.copied, len(run.failed)) == (0, COPIES)
    assert "AUDIAN_API_KEY" in str(run.failed[0])


def test_the_disk_of_another_machine_is_not_the_archive(
    account: rec.Account, tmp_path: Path
) -> None:
    with Elsewhere(lambda task, _: evolve(task, url=str(tmp_path / "other"))) as executor:
        archive = rec.Archive(tmp_path / "archive")
        with pytest.raises(StorageError, match="a folder that this process does not see"):
            archive.copy([account], executor=executor, workers=1)
    assert archive.copy([account]).copied == COPIES


def test_a_relative_folder_is_that_of_the_caller(
    account: rec.Account, vendor: AudianEmulator, tmp_path: Path
) -> None:
    def change(task: CopyTask, patch: pytest.MonkeyPatch) -> CopyTask:
        assert Path(task.url) == tmp_path / "here"
        return task

    archive = rec.Archive("here")
    with Elsewhere(change) as executor:
        run = archive.copy([account], executor=executor, workers=1)
    check_all_copied(archive, run, vendor)


def test_a_url_with_credentials_is_not_sent(account: rec.Account, open_store: OpenStore) -> None:
    url = open_store("sftp").url
    with ThreadedTasks() as executor, pytest.raises(ConfigurationError, match="FSSPEC_SFTP") as got:
        rec.Archive(url).copy([account], executor=executor)
    assert "s3cr3t-of" not in str(got.value)
    assert executor.sent == []


def test_memory_cannot_be_shared(account: rec.Account) -> None:
    with ThreadedTasks() as executor, pytest.raises(ConfigurationError, match="in this process's"):
        rec.Archive("memory://archive").copy([account], executor=executor)


def test_a_connected_provider_is_not_sent(vendor: AudianEmulator, tmp_path: Path) -> None:
    archive = rec.Archive(tmp_path / "archive")
    with (
        vendor.connect() as provider,
        ThreadedTasks() as executor,
        pytest.raises(ConfigurationError, match="credentials"),
    ):
        archive.copy([provider], executor=executor)


@pytest.mark.long
def test_processes_copy_to_a_store(
    account: rec.Account, vendor: AudianEmulator, open_store: OpenStore
) -> None:
    archive = rec.Archive(open_store("localbucket").url)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        run = archive.copy([account], executor=executor, workers=2)
    check_all_copied(archive, run, vendor)


def test_a_worker_that_dies_fails_its_recordings_and_ends_the_run(
    account: rec.Account, vendor: AudianEmulator, tmp_path: Path
) -> None:
    archive = rec.Archive(tmp_path / "archive")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        executor.submit(os.getpid).result()
        [worker] = executor._processes

        def kill(progress: rec.ArchiveProgress) -> None:
            if progress.kind == "copied":
                os.kill(worker, signal.SIGKILL)

        run = archive.copy([account], executor=executor, workers=1, on_progress=kill)
    assert run.copied + len(run.failed) == COPIES
    assert run.copied > 0
    assert run.failed
    assert not run.complete
    failure = run.failed[0]
    assert str(failure).startswith(f"audian default {failure.recording_id}: The worker of the copy")
    assert "BrokenProcessPool" in str(failure.error)
    again = archive.copy([account])
    assert (again.failed, again.complete) == ((), True)
    verified = archive.verify()
    assert (verified.recordings, verified.ok) == (COPIES, True)


@pytest.mark.long
def test_dask_copies_with_two_workers(
    account: rec.Account, vendor: AudianEmulator, tmp_path: Path
) -> None:
    from distributed import Client, LocalCluster

    archive = rec.Archive(tmp_path / "archive")
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, dashboard_address=None,
            local_directory=str(tmp_path), memory_limit=None,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):  # fmt: skip
        run = archive.copy([account], executor=client.get_executor(), workers=2)
    check_all_copied(archive, run, vendor)


def test_shards_copy_everything_once(
    account: rec.Account, vendor: AudianEmulator, tmp_path: Path
) -> None:
    archive = rec.Archive(tmp_path / "archive")
    with ThreadPoolExecutor(3) as threads:
        runs = list(
            threads.map(lambda number: archive.copy([account], shard=(number, 3)), range(3))
        )
    assert all(run.copied > 0 for run in runs)
    assert sum(run.copied for run in runs) == COPIES
    media = count_media_requests(vendor)
    assert (len(media), set(media.values())) == (COPIES, {1})
    # Each goes on from its own last run, and a run without a shard finds all of it.
    for number in range(3):
        assert archive.copy([account], shard=(number, 3)).copied == 0
    assert archive.copy([account]).already_there + archive.copy([account]).copied <= COPIES
    assert archive.verify().recordings == COPIES


@pytest.mark.parametrize(
    ("arguments", "listing", "task"),
    [
        ({}, 1.0, None),
        ({"shard": (1, 4), "share": 0.5}, 0.125, None),
        # One half is for the list, and the other one for all copies together.
        ({"executor": True, "workers": 5, "shard": (0, 2)}, 0.25, 0.05),
    ],
)
def test_the_rate_of_an_account_is_shared(
    account: rec.Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    listing: float,
    task: float | None,
) -> None:
    shares: list[tuple[float, float | None]] = []
    limit = TokenBucket.limit_to

    def record(self: TokenBucket, share: float, burst: float | None = None) -> Any:
        shares.append((share, burst))
        return limit(self, share, burst)

    monkeypatch.setattr(TokenBucket, "limit_to", record)
    archive = rec.Archive(tmp_path / "archive")
    if arguments.get("executor"):
        with ThreadedTasks() as executor:
            archive.copy([account], **{**arguments, "executor": executor})
    else:
        archive.copy([account], **arguments)
    # Many tasks follow one another: if each began with a burst, the rate would not be kept.
    assert shares[0] == (listing, None)
    tasks = {(round(share, 6), burst) for share, burst in shares[1:]}
    assert tasks == ({(task, 1.0)} if task else set())


def test_no_more_tasks_are_sent_than_the_rate_is_divided_among(
    account: rec.Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.archiving.lister._TASK_SIZE", 2)
    running, most = set[int](), 0

    class Counting(ThreadPoolExecutor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            nonlocal most
            number = id(args[0])
            running.add(number)
            most = max(most, len(running))
            job = super().submit(function, *args, **kwargs)
            job.add_done_callback(lambda _: running.discard(number))
            return job

    with Counting(8) as executor:
        run = rec.Archive(tmp_path / "archive").copy([account], executor=executor, workers=3)
    assert run.copied == COPIES
    assert 1 < most <= 3
