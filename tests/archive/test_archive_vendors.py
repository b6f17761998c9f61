"""Vendors: each emulated vendor's recordings are archived, without anything that is secret."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator
from recording_voipbin.emulator import VoIPBinEmulator

VENDORS = sorted(rec.providers())
PAST = 5
DAY = timedelta(days=1)


def start_emulator(name: str, **settings: Any) -> Emulator:
    emulator: Emulator = load_object(rec.providers()[name], "emulator")(**settings)
    return emulator.start()


@pytest.fixture(params=VENDORS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    emulator = start_emulator(request.param, recordings=PAST)
    yield emulator
    emulator.stop()


def read_all_bytes(root: Path) -> bytes:
    """Read all bytes of an archive except the media; those of Parquet decompressed."""
    found = b""
    for path in root.rglob("*"):
        if path.suffix == ".json":
            found += path.read_bytes()
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found += repr(table.schema.metadata).encode() + repr(table.to_pylist()).encode()
    return found


def test_vendor_is_archived_once_and_without_secrets(
    emulator: Emulator, stored: Any, tmp_path: Path
) -> None:
    archive = rec.Archive(tmp_path)
    with emulator.connect() as provider:
        run = archive.copy([provider])
        assert (run.failed, run.complete) == ((), True)
        assert run.copied + sum(run.without_media.values()) == len(emulator.list_ids())
        assert run.copied
        stored.check_records(tmp_path)
        before = stored.read(tmp_path)
        with emulator.log_requests("media") as requests:
            again = archive.copy([provider], since=emulator.clock.now() - 400 * DAY)
        assert (again.copied, again.already_there, requests) == (0, run.copied, [])
        assert stored.read(tmp_path) == before
        result = archive.verify()
        assert (result.ok, result.recordings) == (True, run.copied)
        assert archive.expiring([provider], within=400 * DAY) == []
    data = read_all_bytes(tmp_path)
    info = rec.providers()[emulator.provider]
    secrets = [emulator.credentials.get(each.name) for each in info.settings if each.secret]
    for request in emulator.list_requests("media"):
        secrets += [value for _, value in request.query if len(value) > 5]
    for secret in filter(None, secrets):
        assert secret.encode() not in data
        assert quote(secret, safe="").encode() not in data


def test_another_account_of_the_same_name_is_refused(emulator: Emulator, tmp_path: Path) -> None:
    """By the account's id, by the customer of its recordings, or by its key."""
    archive = rec.Archive(tmp_path)
    other = start_emulator(emulator.provider, recordings=PAST, seed=1)
    try:
        with emulator.connect() as provider, other.connect() as second:
            assert archive.copy([provider]).copied
            with pytest.raises(rec.ConfigurationError, match="under the name 'default'"):
                archive.copy([second])
            assert archive.copy([provider]).complete
    finally:
        other.stop()
    assert {each.recording.id for each in archive.recordings()} <= set(emulator.list_ids())


def test_a_failure_by_our_clock_does_not_prevent_one_attempt(tmp_path: Path) -> None:
    """VoIPBin's list of files may lack those that its archive of a recording has."""
    with VoIPBinEmulator(recordings=0) as emulator, emulator.connect() as provider:
        emulator.alter = lambda request, payload: (
            payload | {"result": []} if "storage_files" in request.path else payload
        )
        emulator.add()
        emulator.clock.sleep(7200)
        (listed,) = provider.list()
        assert (listed.status, listed.files) == (rec.RecordingStatus.FAILED, ())
        run = rec.Archive(tmp_path).copy([provider])
        assert (run.copied, run.failed, dict(run.without_media)) == (1, (), {})
