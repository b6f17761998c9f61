"""Fixtures of the archive's tests: a made-up vendor in memory, and checks of what is stored."""

from __future__ import annotations

import hashlib
import io
import os
import random
import wave
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve
from requests.auth import AuthBase

import recording_core as rec
from recording_core import Provider, RecordingStatus
from recording_core.archiving.record import decode_record, is_record_name
from recording_core.clock import Clock
from recording_core.listing.page import Page, Query, Window
from recording_core.model.capabilities import ProviderInfo, Setting, build_capabilities
from recording_core.provider.connection import Connection
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.transport.authentication import HeaderAuth

KEY = "k3y-of-the-made-up-vendor"
#: stands in the query of each link, and must not reach a store
SIGNATURE = "s1gn4ture-of-a-link"
INFO = ProviderInfo(
    name="madeup",
    label="Made-up",
    settings=(Setting("id", "MADEUP_ID"), Setting("key", "MADEUP_KEY", secret=True)),
    capabilities=build_capabilities(call="list get download"),
    documentation="https://example.com",
    client="none:none",
)


def build_sound(name: str, size: int) -> bytes:
    """Build a WAV file of about a size whose samples depend on its name."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(random.Random(name).randbytes(max(size - 44, 2) // 2 * 2))
    return out.getvalue()


class MadeUpProvider(Provider):
    """The made-up vendor's client. It lists from memory, and fetches media over HTTP."""

    default_base_url = "http://127.0.0.1:1"
    vendor: Vendor

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HeaderAuth("X-Key", settings["key"])

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        self.vendor.queries.append(query)
        if self.vendor.list_error is not None:
            raise self.vendor.list_error
        rows = [evolve(each, account=self.account) for each in self.vendor.recordings.values()]
        start, size = cursor or 0, self.vendor.page_size
        after = start + size if start + size < len(rows) else None
        return Page(rows[start : start + size], errors=self.vendor.list_doubts, next=after)

    def _get(self, recording_id: str, target: Any) -> rec.Recording:
        if self.vendor.on_get is not None:
            self.vendor.on_get(recording_id)
        if recording_id not in self.vendor.recordings:
            raise rec.NotFound("The vendor has no such recording")
        return evolve(self.vendor.recordings[recording_id], account=self.account)


class Vendor:
    """A vendor in memory: a test adds, changes and removes recordings, and breaks the media."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.recordings: dict[str, rec.Recording] = {}
        #: path -> the media, or a reply in its place
        self.media: dict[str, bytes | Reply] = {}
        #: path -> the requests for it
        self.fetched: dict[str, int] = {}
        self.queries: list[Query] = []
        self.list_error: Exception | None = None
        #: sentences that make a list incomplete
        self.list_doubts: tuple[str, ...] = ()
        self.on_get: Callable[[str], object] | None = None
        self.page_size = 50
        self._server = LoopbackServer(self._answer)
        self._opened = ExitStack()
        self._opened.callback(self._server.close)

    def close(self) -> None:
        self._opened.close()

    def connect(
        self,
        account: str = "default",
        *,
        clock: Clock | None = None,
        key: str = KEY,
        id: str | None = "A1",
    ) -> MadeUpProvider:
        """Connect to an account; without an id, its key alone identifies it."""
        connection = Connection(
            INFO if id is not None else evolve(INFO, settings=INFO.settings[1:]),
            settings={"key": key, "id": id or ""},
            account=account,
            # The API is in memory. Media has another origin, as at most vendors.
            base_url="http://127.0.0.1:1",
            http=rec.HttpSettings(retries=0),
            clock=clock or self.clock,
        )
        provider = MadeUpProvider(connection)
        provider.vendor = self
        self._opened.callback(provider.close)
        return provider

    def add(
        self,
        id: str,
        *names: str,
        age: timedelta = timedelta(0),
        status: str = "available",
        size: int = 500,
        **facts: Any,
    ) -> rec.Recording:
        """Add a recording with files of these names, or replace it. An age is that of its start."""
        files = []
        for name in names or ("mix",):
            path = self.get_path(id, name, size)
            self.media.setdefault(path, build_sound(path, size))
            url = f"{self._server.origin}{path}?X-Signature={SIGNATURE}"
            files.append(rec.MediaFile(name, rec.FileRole.TRACK, "wav", url=url))
        created = self.recordings[id].created_at if id in self.recordings else None
        recording = rec.Recording(
            **{
                "provider": INFO.name,
                "account": "default",
                "id": id,
                "kind": rec.SessionKind.CALL,
                "status": RecordingStatus(status),
                "created_at": created or self.clock.now() - age,
                "files": tuple(files) if status in ("available", "unknown") else (),
                "raw": {"id": id, "links": [each.url for each in files]},
                **facts,
            }
        )
        self.recordings[id] = recording
        return recording

    @staticmethod
    def build_media(path: str) -> bytes:
        """Build the media of a path again, after it was replaced by a fault."""
        return build_sound(path, int(path.removesuffix(".wav").rpartition("-")[2]))

    def get_path(self, id: str, name: str = "mix", size: int = 500) -> str:
        """Return the path of a file's media."""
        return f"/{quote(id, safe='')}/{name}-{size}.wav"

    def count_fetched(self) -> int:
        """Count the media requests since the last call."""
        count = sum(self.fetched.values())
        self.fetched.clear()
        return count

    def _answer(self, request: Request) -> Reply:
        self.fetched[request.path] = self.fetched.get(request.path, 0) + 1
        if request.arg("X-Signature") != SIGNATURE:
            return Reply(403)
        found = self.media.get(request.path)
        if found is None:
            return Reply(404)
        if isinstance(found, Reply):
            return found
        return Reply(200, found, {"Content-Type": "audio/wav"})


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    vendor = Vendor()
    yield vendor
    vendor.close()


# -- what is stored -------------------------------------------------------------------------------


def read_stored(root: Path) -> dict[str, str]:
    """Return the SHA-256 of each stored file, by its path. Temporary files are left out."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(".part")
    }


def check_records(root: Path) -> dict[str, list[rec.Recording]]:
    """Check that each record names what is there, whole and unchanged: id -> what was recorded."""
    found: dict[str, list[rec.Recording]] = {}
    for path in sorted(root.rglob("record-*.json")):
        assert is_record_name(path.name)
        record = decode_record(path.read_bytes())
        assert record.copies
        for copy in record.copies:
            data = (path.parent / copy.path).read_bytes()
            assert len(data) == copy.size
            assert hashlib.sha256(data).hexdigest() == copy.sha256
        found.setdefault(record.recording.id, []).append(record.recording)
    return found


def check_nothing_was_overwritten(before: dict[str, str], root: Path) -> dict[str, str]:
    """Check that each file of an earlier look is there, unchanged. The result is the new look.

    A part of the index has a name that depends on its content, and may be written again.
    """
    after = read_stored(root)
    changed = {path for path, digest in before.items() if after.get(path) != digest}
    assert not [path for path in changed if not path.startswith("index/")]
    return after


def make_older(root: Path, by: timedelta) -> None:
    """Make each stored file older, as if time had passed by the clock of the storage."""
    for path in root.rglob("*"):
        if path.is_file():
            moment = path.stat().st_mtime - by.total_seconds()
            os.utime(path, (moment, moment))


class Stored:
    """The functions above, for tests."""

    read = staticmethod(read_stored)
    check_records = staticmethod(check_records)
    check_nothing_was_overwritten = staticmethod(check_nothing_was_overwritten)
    make_older = staticmethod(make_older)


@pytest.fixture
def stored() -> type[Stored]:
    return Stored
