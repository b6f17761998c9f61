"""Copies: which recordings an archive copies, and what it reads, reports and leaves alone."""

from __future__ import annotations

import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pluggy
import pyarrow.parquet as pq
import pytest
from attrs import evolve

import recording_core as rec
from recording_core.archiving import copier, lister, owner
from recording_core.archiving.record import decode_record
from recording_core.plugins import hookspecs
from recording_core.plugins import registry as plugins
from recording_core.plugins.hookspecs import PROJECT, hookimpl
from recording_core.storage.folder import Folder
from recording_core.testing import Reply

DAY = timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> rec.Archive:
    return rec.Archive(root)


# -- new and changed ------------------------------------------------------------------------------


def test_second_run_fetches_and_writes_nothing(
    vendor: Any, stored: Any, archive: rec.Archive, root: Path
) -> None:
    """D11."""
    for number in range(5):
        vendor.add(f"r{number}", "a", "b")
    provider = vendor.connect()
    first = archive.copy([provider])
    assert (first.copied, first.files, first.failed, first.complete) == (5, 10, (), True)
    assert first.bytes == sum(map(len, vendor.media.values()))
    assert vendor.count_fetched() == 10
    before = stored.read(root)
    assert set(stored.check_records(root)) == set(vendor.recordings)
    second = archive.copy([provider])
    assert (second.copied, second.already_there, second.bytes) == (0, 5, 0)
    assert vendor.count_fetched() == 0
    assert stored.read(root) == before


CHANGES: dict[str, dict[str, Any]] = {
    "a late track": {"names": ("a", "b")},
    "another file": {"names": ("c",)},
    "fewer files": {"names": ("a",), "before": ("a", "b")},
    "another duration": {"duration": timedelta(seconds=9)},
    "another size": {"size_of_file": 500},
    "another status": {"status": "unknown"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_recording_is_copied_again_and_the_older_copy_stays(
    vendor: Any, stored: Any, archive: rec.Archive, root: Path, change: str
) -> None:
    facts = dict(CHANGES[change])
    provider = vendor.connect()
    vendor.add("r", *facts.pop("before", ("a",)))
    archive.copy([provider])
    before = stored.read(root)
    names = facts.pop("names", ("a",))
    size = facts.pop("size_of_file", None)
    recording = vendor.add("r", *names, **facts)
    files = tuple(evolve(each, size=size) for each in recording.files)
    vendor.recordings["r"] = evolve(recording, files=files)
    assert archive.copy([provider]).copied == 1
    after = stored.check_nothing_was_overwritten(before, root)
    assert len(stored.check_records(root)["r"]) == 2
    assert archive.copy([provider]).already_there == 1
    assert stored.read(root) == after


def test_other_links_and_expiries_are_not_a_change(vendor: Any, archive: rec.Archive) -> None:
    recording = vendor.add("r", "a")
    provider = vendor.connect()
    archive.copy([provider])
    file = evolve(
        recording.files[0],
        url=f"{recording.files[0].url}&Expires=9",
        url_expires_at=vendor.clock.now() + DAY,
    )
    vendor.recordings["r"] = evolve(
        recording, files=(file,), media_expires_at=vendor.clock.now() + DAY, title="renamed"
    )
    assert archive.copy([provider]).already_there == 1


def test_state_that_was_copied_before_is_not_copied_again(
    vendor: Any, archive: rec.Archive
) -> None:
    provider = vendor.connect()
    for names in (("a",), ("a", "b"), ("a",)):
        vendor.add("r", *names)
        archive.copy([provider])
    assert vendor.count_fetched() == 3


def test_readers_take_the_best_record(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without doubts, then of most files."""
    names = iter(f"record-{number:016x}.json" for number in (3, 1, 0))
    monkeypatch.setattr(copier, "build_record_name", lambda: next(names))
    provider = vendor.connect()
    vendor.add("r", "a", "b")
    archive.copy([provider])
    vendor.add("r", "a")
    archive.copy([provider])
    vendor.media["/r/c-500.wav"] = Reply(200, b"RIFF" + bytes(500), framing="none")
    vendor.add("r", "a", "b", "c")
    archive.copy([provider])
    assert len(list(root.rglob("record-*.json"))) == 3
    found = archive.get("madeup", "default", "r")
    assert found is not None
    assert [each.file.id for each in found.copies] == ["a", "b"]
    assert found.verified
    assert list(archive.recordings()) == [found]
    for number, copy in enumerate(found.copies):
        assert copy.path.is_absolute()
        with archive.open(found, number) as file:
            assert file.read() == vendor.media[vendor.get_path("r", copy.file.id)]
    assert archive.get("madeup", "default", "other") is None


@pytest.mark.parametrize("first", [1, 9])
def test_of_two_states_readers_take_the_one_that_was_recorded_last(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    names = iter(f"record-{number:016x}.json" for number in (first, 5))
    monkeypatch.setattr(copier, "build_record_name", lambda: next(names))
    provider = vendor.connect()
    vendor.add("r", "a", "b")
    archive.copy([provider])
    vendor.clock.advance(DAY)
    vendor.add("r", "d", "e")
    archive.copy([provider])
    found = archive.get("madeup", "default", "r")
    assert found is not None
    assert [each.file.id for each in found.copies] == ["d", "e"]


def test_of_two_records_of_one_state_readers_take_the_smallest_name(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    vendor.add("r", "a")
    archive.copy([vendor.connect()])
    [path] = root.rglob("record-*.json")
    twin = path.with_name(f"record-{'0' * 16}.json")
    twin.write_bytes(path.read_bytes())
    for name in (twin.name, path.name):
        found = archive.get("madeup", "default", "r")
        assert found is not None
        assert found.record.endswith(name)
        (path.parent / name).unlink()


def test_readers_prefer_a_record_whose_files_are_there(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    provider = vendor.connect()
    for names in (("a", "b"), ("a",)):
        vendor.add("r", *names)
        archive.copy([provider])
    best = archive.get("madeup", "default", "r")
    assert best is not None
    best.copies[1].path.unlink()
    found = archive.get("madeup", "default", "r")
    assert found is not None
    assert [each.file.id for each in found.copies] == ["a"]


def test_media_that_never_end_do_not_hold_a_run(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T6: bytes arrive all the time, so that no other bound ends it."""
    monkeypatch.setattr(copier, "LONGEST_ATTEMPT", timedelta(seconds=1))
    vendor.add("r")
    path = vendor.get_path("r")
    vendor.media[path] = Reply(200, bytes(10_000), drip="body")
    began = time.monotonic()
    run = archive.copy([vendor.connect()])
    assert (run.copied, len(run.failed)) == (0, 1)
    assert time.monotonic() - began < 20


# -- recordings without media ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["failed", "empty", "expired", "deleted"])
def test_recording_without_media_is_counted_by_its_status(
    vendor: Any, archive: rec.Archive, root: Path, status: str
) -> None:
    vendor.add("r", status=status)
    for _ in range(2):
        run = archive.copy([vendor.connect()])
        assert run.complete
        assert (run.copied, dict(run.without_media)) == (0, {status: 1})
    assert not list(root.rglob("record-*.json"))


def test_expiry_by_our_clock_does_not_prevent_one_attempt(
    vendor: Any, archive: rec.Archive
) -> None:
    """An inferred status; if the media is gone, it is not requested again."""
    recording = vendor.add("here")
    gone = vendor.add("gone")
    for each in (recording, gone):
        vendor.recordings[each.id] = evolve(each, status=rec.RecordingStatus.EXPIRED)
    del vendor.media[vendor.get_path("gone")]
    provider = vendor.connect()
    run = archive.copy([provider])
    assert (run.copied, dict(run.without_media)) == (1, {"expired": 1})
    requests = vendor.count_fetched()
    run = archive.copy([provider])
    assert (run.already_there, dict(run.without_media)) == (1, {"expired": 1})
    assert requests == 2
    assert vendor.count_fetched() == 0


def test_media_in_the_customers_own_storage_is_not_a_failure(
    vendor: Any, archive: rec.Archive
) -> None:
    vendor.add("r")
    vendor.recordings["r"] = evolve(vendor.recordings["r"], files=())
    provider = vendor.connect()
    provider._find_own_storage = lambda _: "s3://customer"
    for _ in range(2):
        run = archive.copy([provider])
        assert run.complete
        assert run.without_media == {"in your own storage": 1}


# -- not ready, renewed, failed -------------------------------------------------------------------


def test_recording_that_becomes_ready_meanwhile_is_copied_once(
    vendor: Any, archive: rec.Archive
) -> None:
    """The record describes the recording as it was when it was ready."""
    vendor.add("r", status="processing")

    def finish(_: str) -> None:
        vendor.add("r", duration=timedelta(seconds=3))

    vendor.on_get = finish
    provider = vendor.connect()
    run = archive.copy([provider])
    assert (run.copied, run.not_ready) == (1, 0)
    found = archive.get("madeup", "default", "r")
    assert found is not None
    assert found.recording.status is rec.RecordingStatus.AVAILABLE
    assert found.recording.duration == timedelta(seconds=3)
    vendor.count_fetched()
    assert archive.copy([provider]).already_there == 1
    assert vendor.count_fetched() == 0


def test_recording_that_stays_unready_is_tried_for_a_bounded_time(
    vendor: Any, archive: rec.Archive
) -> None:
    vendor.add("r", status="processing", media_expires_at=vendor.clock.now() + DAY)
    tries: list[str] = []
    vendor.on_get = tries.append
    began = vendor.clock.now()
    run = archive.copy([vendor.connect()])
    assert (run.not_ready, run.failed, run.nearest_expiry) == (1, (), began + DAY)
    assert timedelta(seconds=60) <= vendor.clock.now() - began < timedelta(seconds=90)
    assert 2 <= len(tries) <= 8


def test_running_recording_is_not_waited_for(vendor: Any, archive: rec.Archive) -> None:
    vendor.add("r", status="recording")
    began = vendor.clock.now()
    assert archive.copy([vendor.connect()]).not_ready == 1
    assert vendor.clock.now() == began


def test_expired_link_is_renewed_and_its_query_is_not_stored(
    vendor: Any, archive: rec.Archive, stored: Any, root: Path
) -> None:
    fresh = vendor.add("r")
    old = evolve(fresh.files[0], url=str(fresh.files[0].url) + "-expired")
    vendor.recordings["r"] = evolve(fresh, files=(old,))

    def renew(_: str) -> None:
        vendor.recordings["r"] = fresh

    vendor.on_get = renew
    assert archive.copy([vendor.connect()]).copied == 1
    stored.check_records(root)


def test_failed_recording_is_named_and_tried_by_the_next_run(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    """An error page is not stored, and the other recordings are copied."""
    vendor.add("good")
    vendor.add("bad", age=30 * DAY, media_expires_at=vendor.clock.now() + DAY)
    path = vendor.get_path("bad")
    sound, vendor.media[path] = vendor.media[path], Reply(200, b"<html>an error page</html>")
    provider = vendor.connect()
    run = archive.copy([provider])
    assert (run.copied, run.complete) == (1, False)
    (failure,) = run.failed
    assert (failure.recording_id, type(failure.error)) == ("bad", rec.NotMedia)
    assert "bad" in str(failure)
    assert run.nearest_expiry == vendor.clock.now() + DAY
    assert not [path for path in root.rglob("*.wav") if b"html" in path.read_bytes()]
    vendor.media[path] = sound
    assert archive.copy([provider]).copied == 1


def test_files_of_an_incomplete_copy_are_removed(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    """All files of a recording are recorded together, or none is."""
    vendor.add("r", "a", "b", "c")
    del vendor.media[vendor.get_path("r", "c")]
    run = archive.copy([vendor.connect()])
    assert (run.copied, run.not_ready) == (0, 1)
    assert not list(root.rglob("*.wav"))


def test_bug_of_a_plugin_costs_its_own_recording(
    vendor: Any, archive: rec.Archive, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.add("good")
    vendor.add("bad")
    provider = vendor.connect()
    real = provider._download

    def download(recording: rec.Recording, *rest: Any) -> Any:
        if recording.id == "bad":
            raise KeyError("a bug")
        return real(recording, *rest)

    provider._download = download
    with caplog.at_level(logging.CRITICAL, "recording_core.archiving"):
        run = archive.copy([provider])
    assert run.copied == 1
    assert [type(each.error) for each in run.failed] == [rec.PluginError]
    assert "KeyError" in str(run.failed[0])


def test_bug_of_a_plugin_in_its_list_loses_no_copy_of_the_run(
    vendor: Any, archive: rec.Archive
) -> None:
    vendor.page_size = 3
    for number in range(6):
        vendor.add(f"r{number}")
    provider, other = vendor.connect(), vendor.connect("other")
    real = provider._page

    def read_page(query: Any, window: Any, cursor: Any) -> Any:
        if cursor:
            raise KeyError("a bug")
        return real(query, window, cursor)

    provider._page = read_page
    run = archive.copy([provider, other])
    assert run.copied == 3 + 6
    bad, good = run.coverage
    assert isinstance(bad.error, rec.PluginError)
    assert not bad.coverage.complete
    assert bad.coverage.seen == 3
    assert good.coverage.complete


def test_attempt_of_twelve_hours_starts_again(
    vendor: Any, archive: rec.Archive, stored: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objects may be removed as garbage soon. Either of two clocks shows that."""
    times = iter([(0.0, 0.0), (1.0, 43_201.0), (0.0, 0.0), (43_201.0, 1.0), (0.0, 0.0), (9.0, 9.0)])
    monkeypatch.setattr(copier, "_read_clocks", lambda: next(times))
    vendor.add("r")
    assert archive.copy([vendor.connect()]).copied == 1
    assert vendor.count_fetched() == 3
    stored.check_records(root)


def test_either_clock_shows_a_late_attempt() -> None:
    """One does not count the time that a machine sleeps, and the other may be set."""
    steady, wall = copier._read_clocks()
    assert abs(wall - time.time()) < 60
    assert not copier._is_late((steady - 40_000, wall - 40_000))
    assert copier._is_late((steady, wall - 43_300))
    assert copier._is_late((steady - 43_300, wall))


def test_attempt_that_always_lasts_too_long_fails(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter(range(0, 10**9, 50_000))
    monkeypatch.setattr(copier, "_read_clocks", lambda: (float(next(moments)),) * 2)
    vendor.add("r")
    run = archive.copy([vendor.connect()])
    assert "fewer workers" in str(run.failed[0])
    assert not list(root.rglob("record-*.json"))


def test_object_that_the_storage_lost_is_not_recorded(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each object is looked at in the storage after it was written."""
    vendor.add("r", "a", "b")
    real = copier.Copier._record

    def record(
        self: Any, provider: Any, recording: Any, state: str, folder: str, copies: Any
    ) -> Any:
        path = root / folder / copies[1].path.name
        path.write_bytes(path.read_bytes()[:-1])
        return real(self, provider, recording, state, folder, copies)

    monkeypatch.setattr(copier.Copier, "_record", record)
    run = archive.copy([vendor.connect()])
    assert isinstance(run.failed[0].error, rec.StorageError)
    assert not list(root.rglob("record-*.json"))


def test_run_ends_if_the_storage_accepts_nothing(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        vendor.add(f"r{number}")

    def fail(*_: Any, **__: Any) -> Any:
        raise rec.StorageError("the disk is full")

    monkeypatch.setattr("recording_core.storage.folder.open_temporary_file", fail)
    monkeypatch.setattr(lister, "check_owner", lambda *_: None)
    with pytest.raises(rec.StorageError, match=r"in a row could not be stored.*the disk is full"):
        archive.copy([vendor.connect()], workers=2)
    assert vendor.count_fetched() < 40


# -- what is reported -----------------------------------------------------------------------------


def test_progress_counts_what_the_result_counts(vendor: Any, archive: rec.Archive) -> None:
    vendor.add("old")
    provider = vendor.connect()
    archive.copy([provider])
    vendor.add("new", "a", "b")
    vendor.add("empty", status="empty")
    vendor.add("live", status="recording")
    vendor.add("bad")
    vendor.media[vendor.get_path("bad")] = Reply(200, b"<html>")
    seen: list[Any] = []
    run = archive.copy([provider], on_progress=seen.append)
    counts = {each.kind: each.count for each in seen if each.kind != "listing"}
    assert counts == {
        "already_there": 1,
        "copied": 1,
        "without_media": 1,
        "not_ready": 1,
        "failed": 1,
        "listed": 5,
    }
    assert (run.copied, run.already_there, run.not_ready, len(run.failed)) == (1, 1, 1, 1)
    (copied,) = [each for each in seen if each.kind == "copied"]
    assert (copied.files, copied.bytes) == (2, run.bytes)
    assert (copied.provider, copied.account, copied.recording_id) == ("madeup", "default", "new")


class Listener:
    """A plugin that collects the archived copies, and may fail."""

    def __init__(self) -> None:
        self.copies: list[rec.Copy] = []
        self.error: Exception | None = None

    @hookimpl
    def recording_archived(self, copy: rec.Copy) -> None:
        self.copies.append(copy)
        if self.error is not None:
            raise self.error


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(listener := Listener(), name="listening")
    found = plugins.load_registry()
    registry = plugins.Registry(manager, found.providers, found.broken)
    monkeypatch.setattr(plugins, "load_registry", lambda: registry)
    return listener


def test_plugins_receive_each_recorded_copy(
    vendor: Any, archive: rec.Archive, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """What a plugin raises changes nothing."""
    listener.error = ValueError("a bug of the listener")
    vendor.add("r", "a", "b")
    with caplog.at_level(logging.CRITICAL):
        assert archive.copy([vendor.connect()]).copied == 1
    assert sorted(each.file.id for each in listener.copies) == ["a", "b"]
    assert all(each.path.is_file() for each in listener.copies)
    archive.copy([vendor.connect()])
    assert len(listener.copies) == 2


def test_interrupt_leaves_a_valid_archive(
    vendor: Any, archive: rec.Archive, stored: Any, root: Path
) -> None:
    for number in range(30):
        vendor.add(f"r{number}")
    provider = vendor.connect()
    copied = 0

    def interrupt(progress: Any) -> None:
        nonlocal copied
        copied += progress.kind == "copied"
        if copied == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.copy([provider], on_progress=interrupt, workers=2)
    before = stored.read(root)
    found = len(stored.check_records(root))
    assert 5 <= found < 30
    assert len(list((root / "index").iterdir())) == 1
    run = archive.copy([provider])
    assert run.copied + run.already_there == 30
    assert run.copied >= 15
    assert set(stored.check_records(root)) == set(vendor.recordings)
    stored.check_nothing_was_overwritten(before, root)


def test_interrupt_is_raised_also_if_the_index_cannot_be_written(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.add("r")

    def fail(*_: Any) -> None:
        raise rec.StorageError("the disk is full")

    monkeypatch.setattr("recording_core.archiving.index.Index.append", fail)

    def interrupt(progress: Any) -> None:
        if progress.kind == "copied":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.copy([vendor.connect()], on_progress=interrupt)


# -- nothing secret -------------------------------------------------------------------------------


def read_all_bytes(root: Path) -> bytes:
    """Read all bytes of an archive; those of Parquet decompressed."""
    found = b""
    for path in root.rglob("*"):
        if path.is_file():
            found += path.read_bytes()
            if path.suffix == ".parquet":
                table = pq.read_table(path)
                found += repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()
    return found


def test_neither_queries_nor_credentials_reach_the_store(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    secret = "0123456789abcdef-signature"
    link = f"https://user:pa55word@media.example.com/a.mp3?X-Amz-Signature={secret}&b=1#{secret}"
    raw = {
        "url": link,
        "escaped": link.replace("/", "\\/"),
        "text": f"see {link} and {link}",
        link: {"nested": [link]},
        "path": f"/media/a.mp3?token={secret}",
        "ws": f"wss://media.example.com/?k={secret}",
    }
    facts = {
        "raw": raw,
        "title": link,
        "error": f"failed: {link}",
        "reference": "r",
        "format": link,
    }
    for status in ("available", "unknown", "failed"):
        vendor.add(status, status=status, **facts)
    gone = vendor.add("gone", **facts)
    vendor.recordings["gone"] = evolve(gone, status=rec.RecordingStatus.EXPIRED)
    del vendor.media[vendor.get_path("gone")]
    named = vendor.recordings["available"]
    file = evolve(named.files[0], name=link, participant=link)
    vendor.recordings["available"] = evolve(named, files=(file,))
    bad = vendor.add("bad", **facts)
    vendor.recordings["bad"] = evolve(bad, files=(evolve(bad.files[0], url=link),))
    vendor.list_doubts = (f"A row at {link} was left out",)
    run = archive.copy([vendor.connect(), vendor.connect("other")])
    assert run.copied == 4
    archive.rebuild_index()
    archive.copy([vendor.connect()])
    archive.compact()
    data = read_all_bytes(root)
    assert b"media.example.com/a.mp3" in data
    for text in (secret, "pa55word", "s1gn4ture", "k3y-of-the", "X-Amz"):
        at = data.find(text.encode())
        assert at < 0, data[max(at - 300, 0) : at + 100]
    for each in run.failed:
        assert secret not in str(each)
        assert secret not in repr(each)


def test_record_is_read_back_as_it_was_written(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    recording = vendor.add("r/../é", "a", "b", title="Größe", duration=timedelta(seconds=2))
    archive.copy([vendor.connect()])
    (path,) = root.rglob("record-*.json")
    record = decode_record(path.read_bytes())
    found = archive.get("madeup", "default", "r/../é")
    assert found is not None
    assert found.recording == record.recording
    urls = tuple(evolve(each, url=str(each.url).partition("?")[0]) for each in recording.files)
    assert found.recording == evolve(recording, files=urls)
    assert path.is_relative_to(root / "madeup" / "default")


# -- whose recordings these are -------------------------------------------------------------------


def test_another_account_of_the_same_name_is_refused(
    vendor: Any, archive: rec.Archive, stored: Any, root: Path
) -> None:
    """By its key, because nothing else identifies it."""
    vendor.add("r")
    archive.copy([vendor.connect(id=None)])
    before = stored.read(root)
    vendor.add("s")
    other = vendor.connect(id=None, key="another-key-of-the-vendor")
    with pytest.raises(rec.ConfigurationError, match="another Made-up account"):
        archive.copy([other])
    assert stored.read(root) == before
    run = archive.copy([other, vendor.connect("second")])
    assert isinstance(run.coverage[0].error, rec.ConfigurationError)
    assert (run.copied, run.complete) == (2, False)
    assert archive.copy([vendor.connect("third", id=None)]).copied == 2


def test_account_with_an_id_may_change_its_key(vendor: Any, archive: rec.Archive) -> None:
    vendor.add("r")
    archive.copy([vendor.connect()])
    assert archive.copy([vendor.connect(key="another-key-of-the-vendor")]).already_there == 1
    with pytest.raises(rec.ConfigurationError, match="another Made-up account"):
        archive.copy([vendor.connect(id="A2")])


def test_account_is_identified_by_a_field_of_its_recordings(
    vendor: Any, archive: rec.Archive
) -> None:
    """Also if the first recordings do not have it."""
    vendor.add("r0", raw={})
    vendor.add("r1", raw={"owner": "A1"})
    first = vendor.connect(id=None)
    first.account_field = "owner"
    assert archive.copy([first]).copied == 2
    vendor.recordings.clear()
    vendor.add("s0", raw={})
    vendor.add("s1", raw={"owner": "A2"})
    with pytest.raises(rec.ConfigurationError, match="another Made-up account"):
        archive.copy([first])
    assert archive.get("madeup", "default", "s1") is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"fingerprint"', b'{"provider": "madeup"}'])
def test_unreadable_owner_stops_its_account(
    vendor: Any, archive: rec.Archive, root: Path, content: bytes
) -> None:
    vendor.add("r")
    archive.copy([vendor.connect()])
    (path,) = root.glob("madeup/default/account-*.json")
    path.write_bytes(content)
    run = archive.copy([vendor.connect(), vendor.connect("other")])
    assert run.copied == 1
    assert isinstance(run.coverage[0].error, rec.StorageError)


def test_two_accounts_that_claim_one_name_at_once_are_both_refused(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = vendor.connect(), vendor.connect(id="A2")
    real = Folder.list_names
    claimed: list[str] = []

    def list_late(self: Folder, below: str) -> list[str]:
        names = real(self, below)
        if not claimed:
            claimed.append(below)
            owner.check_owner(self, two)
        return names

    monkeypatch.setattr(Folder, "list_names", list_late)
    for each in (one, two):
        with pytest.raises(rec.ConfigurationError, match="another Made-up account"):
            owner.check_owner(archive.folder, each)


# -- what will expire -----------------------------------------------------------------------------


def test_expiring_names_what_has_no_verified_copy(vendor: Any, archive: rec.Archive) -> None:
    now = vendor.clock.now()
    vendor.add("copied", media_expires_at=now + DAY)
    vendor.add("changed", media_expires_at=now + DAY)
    provider = vendor.connect()
    archive.copy([provider])
    vendor.add("changed", "mix", "late", media_expires_at=now + DAY)
    vendor.add("later", media_expires_at=now + 3 * DAY)
    vendor.add("second", media_expires_at=now + DAY)
    vendor.add("first", media_expires_at=now + DAY / 2)
    vendor.add("past", media_expires_at=now - DAY)
    vendor.add("empty", status="empty", media_expires_at=now + DAY)
    vendor.add("never")
    found = archive.expiring([provider], within=2 * DAY)
    assert [each.id for each in found] == ["first", "changed", "second"]
    assert vendor.count_fetched() == 2


def test_expiring_names_what_was_copied_with_a_doubt(vendor: Any, archive: rec.Archive) -> None:
    vendor.add("r", media_expires_at=vendor.clock.now() + DAY)
    path = vendor.get_path("r")
    vendor.media[path] = Reply(200, vendor.media[path], framing="none")
    provider = vendor.connect()
    run = archive.copy([provider])
    assert (run.copied, run.unverified) == (1, 1)
    assert [each.id for each in archive.expiring([provider], within=2 * DAY)] == ["r"]
    assert archive.copy([provider]).unverified == 0  # which was copied before


def test_verify_names_a_recording_whose_record_is_gone(
    vendor: Any, archive: rec.Archive, root: Path
) -> None:
    """The index has it, so that no run would copy it again."""
    vendor.add("kept")
    vendor.add("lost")
    archive.copy([vendor.connect()])
    assert archive.verify().ok
    (record,) = (path for path in root.rglob("record-*") if b'"lost"' in path.read_bytes())
    shutil.rmtree(record.parent)
    found = archive.verify()
    assert (found.recordings, len(found.missing), found.ok) == (1, 1, False)
    assert "Recording lost of madeup account 'default' is in the index" in found.missing[0]
    archive.rebuild_index()
    assert archive.verify().ok
    since = vendor.clock.now() - 100 * DAY
    assert archive.copy([vendor.connect()], since=since).copied == 1


# -- links ----------------------------------------------------------------------------------------


def test_a_link_below_the_root_is_never_followed(
    vendor: Any, archive: rec.Archive, root: Path, tmp_path: Path
) -> None:
    """D7: what is written there would be elsewhere, and no verification would see it."""
    vendor.add("r")
    other = tmp_path / "other"
    other.mkdir()
    (root / "madeup").mkdir(parents=True)
    (root / "madeup" / "default").symlink_to(other)
    run = archive.copy([vendor.connect()])
    assert (run.copied, run.complete) == (0, False)
    assert "is a link" in str(run.coverage[0].error)
    assert not list(other.iterdir())
    with pytest.raises(rec.StorageError, match=r"default is a link.* make a link of its root"):
        archive.verify()
    (root / "madeup" / "default").unlink()
    link = tmp_path / "link"
    link.symlink_to(root)
    assert rec.Archive(link).copy([vendor.connect()]).copied == 1
    assert archive.verify().ok
