"""When does a file stand under its name? Once all of its bytes are there, and proved."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    ChecksumMismatch,
    DownloadError,
    FileRole,
    MediaFile,
    NotMedia,
    RecordingError,
    StorageError,
    Truncated,
    Unavailable,
)
from recording_core.download.formats import FORMATS
from recording_core.download.transfer import Fetched, fetch_file, fetch_temporarily, store_files
from recording_core.testing import Reply, Request
from recording_core.testing.emulator.media import MEDIA_TYPES, build_wav
from recording_core.testing.emulator.ranges import build_file_reply
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]
Fetch = Callable[..., Fetched]

WAV = build_wav(20.0)
OTHER = build_wav(20.0, pitch=220)
FACTS = {"provider": "vendor", "recording_id": "r1"}
RETRIES = 3
assert len(WAV) == len(OTHER) > 300_000


def whole(body: bytes = WAV, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, body, {"Content-Type": "audio/wav", "ETag": '"v1"', **(headers or {})})


def cut(body: bytes = WAV, at: int = 100_000, **changes: Any) -> Reply:
    """An answer that breaks off; less than what a reader has asked for at once is lost."""
    return evolve(whole(body), cut_after=at, **changes)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a body that breaks off leaves something to resume."""
    monkeypatch.setattr("recording_core.download.transfer._CHUNK", 65536)


@pytest.fixture
def fetch(transport: MakeTransport) -> Iterator[Fetch]:
    """`fetch(url, path, **fields of the file)`: what a provider's download does for each file."""
    made: list[MediaTransport] = []

    def get(url: str, path: Path, **fields: Any) -> Fetched:
        api = transport("http://127.0.0.1:1", retries=RETRIES)
        made.append(MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=9.0))
        file = MediaFile("f", FileRole.MIX, **{"format": "wav", "url": url, **fields})
        with Deadline(None) as deadline:
            return fetch_file(
                made[-1],
                file,
                path,
                clock=api.clock,
                retries=RETRIES,
                deadline=deadline,
                facts=FACTS,
            )

    yield get
    for media in made:
        media.close()


@contextmanager
def refused(path: Path, error: type[BaseException], **match: Any) -> Iterator[None]:
    """It fails so, the older file stands as it was, and nothing else is left beside it."""
    path.write_bytes(b"older")
    with pytest.raises(error, **match) as caught:
        yield
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]
    if isinstance(caught.value, DownloadError):
        assert str(caught.value).startswith("vendor r1: ")


# -- whole or not at all --------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_whole_file_replaces_the_older_one(
    serve: Serve, fetch: Fetch, tmp_path: Path, framing: Any
) -> None:
    """D1, D2."""
    path = tmp_path / "deep" / "er" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"older")
    origin, journal = serve(evolve(whole(), framing=framing))
    fetched = fetch(origin + "/m", path)
    assert fetched == Fetched(len(WAV), sha256(WAV), ("framing", "format"))
    assert path.read_bytes() == WAV
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert journal[0].header("range") is None


@pytest.mark.parametrize(
    "reply",
    [
        cut(),
        cut(at=0),
        cut(framing="chunked"),
        evolve(whole(), cut_headers=True),
        Reply(abort=True),
        whole(b""),
        evolve(whole(b""), framing="none"),
        evolve(whole(b""), framing="chunked"),
    ],
    ids=["length", "at once", "chunks", "headers", "no byte", "0", "0 of no length", "0 chunks"],
)
def test_a_body_that_never_comes_whole_leaves_nothing(
    serve: Serve, fetch: Fetch, tmp_path: Path, reply: Reply
) -> None:
    """D1, D3: a response that is cut in its headers looks like 200 with 0 bytes."""
    origin, journal = serve(reply)
    with refused(tmp_path / "a.wav", (Truncated, Unavailable)):  # type: ignore[arg-type]
        fetch(origin + "/m", tmp_path / "a.wav")
    assert len(journal) <= 1 + RETRIES


@pytest.mark.parametrize(
    ("length", "checks"),
    [
        (None, ("format", "unverified")),
        ("junk", ("format", "unverified")),
        ("-1", ("format", "unverified")),
        ("9" * 5000, ("format", "unverified")),
        ("", ("format", "unverified")),
    ],
)
def test_a_body_that_ends_with_its_connection_is_marked_unverified(
    serve: Serve, fetch: Fetch, tmp_path: Path, length: str | None, checks: tuple[str, ...]
) -> None:
    """D3: also where a length is announced that no client understands."""
    headers = {} if length is None else {"Content-Length": length}
    origin, _ = serve(evolve(whole(headers=headers), framing="none"))
    assert fetch(origin + "/m", tmp_path / "a.wav").checks == checks


@pytest.mark.parametrize(
    ("fields", "proof"),
    [({"size": len(WAV)}, "size"), ({"checksum": f"sha256:{sha256(WAV)}"}, "checksum")],
)
def test_a_body_without_an_end_is_proved_by_its_size_or_checksum(
    serve: Serve, fetch: Fetch, tmp_path: Path, fields: dict[str, Any], proof: str
) -> None:
    """D3."""
    origin, _ = serve(evolve(whole(), framing="none"))
    checks = fetch(origin + "/m", tmp_path / "a.wav", **fields).checks
    assert checks == (proof, "format")
    origin, _ = serve(evolve(whole(WAV[:-1000]), framing="none"))
    with refused(tmp_path / "a.wav", (Truncated, ChecksumMismatch)):  # type: ignore[arg-type]
        fetch(origin + "/m", tmp_path / "a.wav", **fields)


@pytest.mark.parametrize(
    ("size", "error"),
    [(len(WAV) + 1, Truncated), (len(WAV) - 1, ChecksumMismatch), (0, ChecksumMismatch)],
)
def test_the_vendors_size_is_held_against_what_came(
    serve: Serve, fetch: Fetch, tmp_path: Path, size: int, error: type[DownloadError]
) -> None:
    """D3."""
    origin, _ = serve(whole())
    with refused(tmp_path / "a.wav", error):
        fetch(origin + "/m", tmp_path / "a.wav", size=size)


def test_a_body_that_never_ends_is_given_up_once_it_is_larger_than_announced(
    fetch: Fetch, tmp_path: Path
) -> None:
    """T7: or a hostile host would fill the disk."""
    with stream(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", WAV, times=10_000) as (port, sent):
        with refused(tmp_path / "a.wav", ChecksumMismatch):
            fetch(f"http://127.0.0.1:{port}/m", tmp_path / "a.wav", size=100_000)
        assert sum(sent) < 50_000_000


def test_an_empty_recording_is_a_file_only_where_the_vendor_says_so(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    origin, _ = serve(whole(b""))
    fetched = fetch(origin + "/m", tmp_path / "a.wav", size=0, format=None)
    assert fetched == Fetched(0, sha256(b""), ("framing", "size"))


@pytest.mark.parametrize(
    ("checksum", "proved"),
    [
        (f"sha256:{sha256(WAV)}", True),
        (f"sha256:{sha256(WAV).upper()}", False),
        ("sha256:e3b0c442", False),  # Audian's own sample is as long as that
        ("md5:d41d8cd98f00b204e9800998ecf8427e", False),
        ("", False),
        (None, False),
    ],
)
def test_a_checksum_proves_what_it_can(
    serve: Serve, fetch: Fetch, tmp_path: Path, checksum: str | None, proved: bool
) -> None:
    """D3."""
    origin, _ = serve(whole())
    checks = fetch(origin + "/m", tmp_path / "a.wav", checksum=checksum).checks
    assert ("checksum" in checks) is proved


def test_other_bytes_than_the_checksum_says_are_refused(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    """D3."""
    origin, journal = serve(whole(OTHER))
    with refused(tmp_path / "a.wav", ChecksumMismatch):
        fetch(origin + "/m", tmp_path / "a.wav", checksum=f"sha256:{sha256(WAV)}", size=len(WAV))
    assert len(journal) == 1


# -- media or not ---------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><title>The link has expired</title>"
PAGES = {
    "html": (PAGE, "text/html; charset=utf-8"),
    "html, said to be audio": (PAGE, "audio/mpeg"),
    "html after white space": (b"\xef\xbb\xbf \r\n\t" + PAGE, ""),
    "long html": (PAGE * 1000, "audio/wav"),
    "json": (b'{"error": "expired"}', "application/json"),
    "json, said to be audio": (b'{"error": "expired"}', "audio/wav"),
    "problem": (b'{"type": "about:blank"}', "application/problem+json"),
    "xml": (b"<?xml version='1.0'?><Error/>", "application/xml"),
    "short text, said to be html": (b"Not found", "text/html"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("format", [None, "wav", "mp3", "holo"])
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_a_page_in_place_of_the_media_is_refused(
    serve: Serve, fetch: Fetch, tmp_path: Path, page: str, format: str | None, framing: Any
) -> None:
    """D5."""
    body, kind = PAGES[page]
    origin, journal = serve(Reply(200, body, {"Content-Type": kind}, framing=framing))
    with refused(tmp_path / "a.bin", NotMedia):
        fetch(origin + "/m", tmp_path / "a.bin", format=format)
    assert len(journal) == 1


HEADS = {
    "aac": b"\xff\xf1\x50\x80",
    "m4a": b"\x00\x00\x00\x20ftypM4A ",
    "mp3": b"ID3\x04\x00",
    "mp4": b"\x00\x00\x00\x18ftypisom",
    "ogg": b"OggS\x00\x02",
    "opus": b"OggS\x00\x02",
    "tar": bytes(257) + b"ustar\x0000",
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "webm": b"\x1a\x45\xdf\xa3\x9f",
    "zip": b"PK\x03\x04\x14\x00",
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", [*FORMATS, "noise"])
@pytest.mark.parametrize("size", [0, 2000])
def test_the_first_bytes_prove_the_format_that_the_vendor_announces(
    serve: Serve, fetch: Fetch, tmp_path: Path, format: str, content: str, size: int
) -> None:
    """D5."""
    families = {"m4a": "mp4", "opus": "ogg"}
    body = HEADS.get(content, b"noise") + bytes(size)
    origin, _ = serve(Reply(200, body, {"Content-Type": MEDIA_TYPES.get(format, "audio/ogg")}))
    if families.get(format, format) == families.get(content, content):
        checks = fetch(origin + "/m", tmp_path / "a.bin", format=format).checks
        assert checks == ("framing", "format")
    else:
        with refused(tmp_path / "a.bin", NotMedia):
            fetch(origin + "/m", tmp_path / "a.bin", format=format)


def test_a_format_that_we_do_not_know_is_kept_and_proves_nothing(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    origin, _ = serve(Reply(200, b"\x00hologram", {"Content-Type": "model/holo"}))
    assert fetch(origin + "/m", tmp_path / "a.bin", format="holo").checks == ("framing",)


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "GZIP"])
def test_a_compressed_answer_is_refused(
    serve: Serve, fetch: Fetch, tmp_path: Path, encoding: str
) -> None:
    """T8."""
    origin, _ = serve(whole(headers={"Content-Encoding": encoding}))
    with refused(tmp_path / "a.wav", NotMedia, match="compresses"):
        fetch(origin + "/m", tmp_path / "a.wav")


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_identity_is_no_compression(
    serve: Serve, fetch: Fetch, tmp_path: Path, encoding: str
) -> None:
    origin, _ = serve(whole(headers={"Content-Encoding": encoding}))
    assert fetch(origin + "/m", tmp_path / "a.wav").size == len(WAV)


def test_a_file_without_an_address_is_no_media(fetch: Fetch, tmp_path: Path) -> None:
    with refused(tmp_path / "a.wav", NotMedia):
        fetch(None, tmp_path / "a.wav")


# -- resuming -------------------------------------------------------------------------------------


def test_a_cut_file_is_resumed_where_it_was_cut(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """D4: the digest covers the whole."""
    etag = build_file_reply(Request("GET", "/", (), {}, b"", ""), WAV, "audio/wav").headers["ETag"]

    def answer(request: Request) -> Reply:
        reply = build_file_reply(request, WAV, "audio/wav")
        return evolve(reply, cut_after=150_000 if len(journal) < 3 else None)

    origin, journal = serve(answer)
    fetched = fetch(origin + "/m", tmp_path / "a.wav", checksum=f"sha256:{sha256(WAV)}")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert fetched.checks == ("framing", "checksum", "format")
    assert [request.header("range") for request in journal] == [
        None,
        "bytes=150000-",
        "bytes=300000-",
    ]
    assert [request.header("if-range") for request in journal] == [None, etag, etag]


def partial(
    body: bytes = WAV,
    have: int = 100_000,
    content_range: str | None = None,
    etag: str = '"v1"',
    encoding: str = "identity",
) -> Reply:
    right = f"bytes {have}-{len(body) - 1}/{len(body)}"
    return Reply(
        206,
        body[have:],
        {"Content-Range": content_range or right, "ETag": etag, "Content-Encoding": encoding},
    )


@pytest.mark.parametrize(
    "answers",
    [
        (evolve(cut(), headers={"ETag": 'W/"v1"'}),),
        (evolve(cut(), headers={}),),
        (evolve(cut(), headers={"ETag": "v1"}),),
        (evolve(cut(), framing="chunked"),),
    ],
    ids=["weak", "none", "unquoted", "no total"],
)
def test_without_a_strong_validator_and_a_total_it_begins_anew(
    serve: Serve, fetch: Fetch, tmp_path: Path, answers: tuple[Reply, ...]
) -> None:
    """D4."""
    origin, journal = serve(*answers, whole())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert [request.header("range") for request in journal] == [None, None]


WRONG_PARTS = {
    "another start": partial(content_range=f"bytes 100001-{len(WAV) - 1}/{len(WAV)}"),
    "another end": partial(content_range=f"bytes 100000-{len(WAV) - 2}/{len(WAV)}"),
    "another total": partial(content_range=f"bytes 100000-{len(WAV) - 1}/{len(WAV) + 1}"),
    "an unknown total": partial(content_range=f"bytes 100000-{len(WAV) - 1}/*"),
    "no range": evolve(partial(), headers={"ETag": '"v1"'}),
    "another unit": partial(content_range=f"items 100000-{len(WAV) - 1}/{len(WAV)}"),
    "junk": partial(content_range="bytes"),
    "digits without end": partial(content_range=f"bytes 100000-{'9' * 5000}/{len(WAV)}"),
    "another file's": partial(OTHER, etag='"v2"'),
    "more than announced": evolve(partial(), body=WAV[100_000:] + b"more", framing="chunked"),
    "416": Reply(416, b"", {"Content-Range": f"bytes */{len(WAV)}"}),
}


@pytest.mark.parametrize("wrong", WRONG_PARTS)
def test_a_part_that_does_not_fit_makes_it_begin_anew(
    serve: Serve, fetch: Fetch, tmp_path: Path, wrong: str
) -> None:
    """D4."""
    origin, journal = serve(cut(), WRONG_PARTS[wrong], whole())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert [request.header("range") for request in journal] == [None, "bytes=100000-", None]


def test_a_file_that_changed_meanwhile_is_taken_from_its_beginning(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    """D4: If-Range makes the host answer 200 with the new one."""
    origin, journal = serve(cut(), evolve(whole(OTHER), headers={"ETag": '"v2"'}))
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == OTHER
    assert (len(journal), fetched.sha256) == (2, sha256(OTHER))


def test_a_part_in_place_of_the_whole_is_no_file(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    origin, journal = serve(partial(have=0), partial(), whole())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert len(journal) == 3


def test_a_part_that_is_compressed_is_refused(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """T8."""
    origin, _ = serve(cut(), partial(encoding="gzip"))
    with refused(tmp_path / "a.wav", NotMedia):
        fetch(origin + "/m", tmp_path / "a.wav")


# -- files within files ---------------------------------------------------------------------------


def leg(name: str, **fields: Any) -> MediaFile:
    return MediaFile(name, FileRole.LEG, **{"format": "wav", **fields})


def test_what_files_come_packed_in_is_there_for_the_block_alone(
    serve: Serve, transport: MakeTransport, tmp_path: Path
) -> None:
    origin, _ = serve(cut(), partial())
    api = transport("http://127.0.0.1:1", retries=RETRIES)
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=9.0)
    file = MediaFile("f", FileRole.MIX, "wav", url=origin + "/m")
    with (
        Deadline(None) as deadline,
        fetch_temporarily(
            media,
            file,
            tmp_path / "a.wav",
            clock=api.clock,
            retries=RETRIES,
            deadline=deadline,
            facts=FACTS,
        ) as path,
    ):
        assert path.read_bytes() == WAV
        assert path.parent == tmp_path
        assert not (tmp_path / "a.wav").exists()
    assert list(tmp_path.iterdir()) == []
    media.close()


def test_what_came_within_another_file_is_stored_whole_and_checked(tmp_path: Path) -> None:
    parts = [
        (leg("in", size=len(WAV)), tmp_path / "deep" / "in.wav", iter([WAV[:1000], WAV[1000:]])),
        (leg("out"), tmp_path / "out.wav", iter([OTHER])),
    ]
    assert store_files(parts, facts=FACTS) == [
        Fetched(len(WAV), sha256(WAV), ("framing", "size", "format")),
        Fetched(len(OTHER), sha256(OTHER), ("framing", "format")),
    ]
    assert [path.read_bytes() for _, path, _ in parts] == [WAV, OTHER]
    assert not list(tmp_path.rglob("*.part"))


def test_however_many_come_within_one_file_they_take_one_thread_more(tmp_path: Path) -> None:
    before, running = threading.active_count(), list[int]()

    def chunks() -> Iterator[bytes]:
        yield WAV
        running.append(threading.active_count())

    store_files(
        ((leg(f"{number}"), tmp_path / f"{number}.wav", chunks()) for number in range(5)),
        facts=FACTS,
    )
    assert running == [before + 1] * 5
    assert threading.active_count() == before


def no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("place", "value", "since"),
    [("threading.Thread.start", no_thread, 0), ("concurrent.futures.thread._shutdown", True, 2)],
)
def test_where_no_thread_can_be_had_a_file_is_hashed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: Any, since: int
) -> None:
    """A process that may have no more of them, and one that is ending."""

    def chunks() -> Iterator[bytes]:
        for number, start in enumerate(range(0, len(WAV), 65536)):
            if number == since:
                monkeypatch.setattr(place, value)
            yield WAV[start : start + 65536]

    [stored] = store_files([(leg("in"), tmp_path / "in.wav", chunks())], facts=FACTS)
    assert stored.sha256 == sha256(WAV)


@pytest.mark.parametrize(
    ("fields", "chunks", "error"),
    [
        ({}, [b"<html>" + bytes(600)], NotMedia),
        ({}, [], Truncated),
        ({"size": len(WAV) + 1}, [WAV], Truncated),
        ({"size": len(WAV) - 1}, [WAV], ChecksumMismatch),
        ({"checksum": f"sha256:{'0' * 64}"}, [WAV], ChecksumMismatch),
    ],
)
def test_one_bad_file_of_several_leaves_none_and_the_older_ones_stand(
    tmp_path: Path, fields: dict[str, Any], chunks: list[bytes], error: type[DownloadError]
) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(b"older")
    with pytest.raises(error):
        store_files(
            [(leg("in"), good, iter([WAV])), (leg("out", **fields), bad, iter(chunks))],
            facts=FACTS,
        )
    assert good.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [good]


# -- the disk -------------------------------------------------------------------------------------


class FailingOs:
    """`os` for the module under test, of which one function fails."""

    def __init__(self, name: str, code: int, from_call: int = 0) -> None:
        self._name, self._code, self._left = name, code, from_call

    def __getattr__(self, name: str) -> Any:
        if name != self._name:
            return getattr(os, name)
        if self._left:
            self._left -= 1
            return getattr(os, name)

        def fail(*args: Any, **kwargs: Any) -> None:
            if name == "close":
                os.close(*args)
            raise OSError(self._code, os.strerror(self._code))

        return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize(
    ("name", "from_call"), [("write", 0), ("write", 2), ("fsync", 0), ("replace", 0), ("open", 0)]
)
def test_a_disk_that_refuses_is_a_typed_error_and_the_older_file_stands(
    serve: Serve,
    fetch: Fetch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    from_call: int,
    code: int,
) -> None:
    """D6."""
    monkeypatch.setattr("recording_core.download.atomic_file.os", FailingOs(name, code, from_call))
    origin, journal = serve(whole())
    with refused(tmp_path / "a.wav", StorageError, match=os.strerror(code)):
        fetch(origin + "/m", tmp_path / "a.wav")
    assert len(journal) == (name != "open")


def test_a_disk_that_refuses_to_begin_anew_is_a_typed_error(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "recording_core.download.atomic_file.os", FailingOs("ftruncate", errno.EIO, 0)
    )
    origin, _ = serve(evolve(cut(), headers={}), whole())
    with refused(tmp_path / "a.wav", StorageError):
        fetch(origin + "/m", tmp_path / "a.wav")


def test_a_file_is_closed_and_removed_in_silence_where_it_was_given_up_anyway(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D6: what a close tells after an fsync changes nothing."""
    monkeypatch.setattr("recording_core.download.atomic_file.os", FailingOs("close", errno.EIO))
    if os.name == "posix":
        monkeypatch.setattr("recording_core.download.atomic_file._ABANDONED_AFTER", 1e9)
    origin, _ = serve(Reply(404), whole())
    with refused(tmp_path / "a.wav", RecordingError):
        fetch(origin + "/m", tmp_path / "a.wav")


def test_a_folder_that_does_not_sync_says_that_the_file_is_there(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: the name is durable only once its folder is."""
    monkeypatch.setattr("recording_core.download.atomic_file.os", FailingOs("fsync", errno.EIO, 1))
    origin, _ = serve(whole())
    with pytest.raises(StorageError, match="power cut"):
        fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert list(tmp_path.iterdir()) == [tmp_path / "a.wav"]


def test_bytes_and_then_their_name_are_made_durable(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: in this order, or a power cut leaves a name without bytes."""
    steps: list[str] = []

    class Recording(FailingOs):
        def __getattr__(self, name: str) -> Any:
            real = getattr(os, name)
            if name not in ("fsync", "replace"):
                return real

            def step(*args: Any) -> None:
                is_folder = name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}")
                steps.append("fsync folder" if is_folder else name)
                real(*args)

            return step

    monkeypatch.setattr("recording_core.download.atomic_file.os", Recording("", 0))
    origin, _ = serve(whole())
    fetch(origin + "/m", tmp_path / "a.wav")
    if sys.platform == "linux":
        assert steps == ["fsync", "replace", "fsync folder"]


@pytest.mark.parametrize("where", ["a file", "a folder as the name", "a read-only folder"])
def test_a_destination_that_cannot_be_is_a_typed_error(
    serve: Serve, fetch: Fetch, tmp_path: Path, where: str
) -> None:
    """D6."""
    origin, _ = serve(whole())
    path = tmp_path / "a.wav"
    if where == "a file":
        (tmp_path / "file").write_bytes(b"")
        path = tmp_path / "file" / "a.wav"
    elif where == "a folder as the name":
        (path / "in").mkdir(parents=True)
    else:
        tmp_path.chmod(0o500)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("the superuser writes everywhere")
    with pytest.raises(StorageError):
        fetch(origin + "/m", path)
    tmp_path.chmod(0o700)
    assert not list(tmp_path.rglob("*.part"))


def part(folder: Path, name: str = "a.wav", *, age: float = 0.0, digit: str = "0") -> Path:
    path = folder / f".{name}.{digit * 16}.part"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_temporary_files_of_the_dead_are_removed_and_those_of_the_living_are_not(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    """D6."""
    dead = part(tmp_path, age=3600, digit="1")
    young = part(tmp_path, digit="2")
    living = part(tmp_path, age=3600, digit="3")
    another = part(tmp_path, "b.wav", age=3600)
    like_one = tmp_path / ".a.wav.part"
    like_one.write_bytes(b"")
    pipe = tmp_path / f".a.wav.{'4' * 16}.part"
    os.mkfifo(pipe)
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    link = tmp_path / f".a.wav.{'5' * 16}.part"
    link.symlink_to(target)
    origin, _ = serve(whole())
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fetch(origin + "/m", tmp_path / "a.wav")
    assert not dead.exists()
    assert all(each.exists() for each in (young, living, another, like_one, target, link))


def test_a_folder_of_many_files_is_not_listed_for_each(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Any] = []

    class Counting(FailingOs):
        def __getattr__(self, name: str) -> Any:
            if name in ("listdir", "scandir"):
                listed.append(name)
            return getattr(os, name)

    monkeypatch.setattr("recording_core.download.atomic_file.os", Counting("", 0))
    origin, _ = serve(whole())
    for number in range(5):
        fetch(origin + "/m", tmp_path / f"{number}.wav")
    assert len(listed) == 1


def test_a_relative_folder_is_the_one_that_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    dead = part(tmp_path / "other", age=3600)
    for folder in (tmp_path, tmp_path / "other"):
        monkeypatch.chdir(folder)
        store_files([(leg("in"), Path("a.wav"), iter([WAV]))], facts=FACTS)
    assert not dead.exists()


def test_a_temporary_file_that_goes_while_we_look_is_no_trouble(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D8: another process finishes between our listing of the folder and our look at the file."""
    gone = part(tmp_path, age=3600)

    class Vanishing(FailingOs):
        def __getattr__(self, name: str) -> Any:
            if name in ("listdir", "scandir"):

                def listing(folder: Any) -> Any:
                    found = getattr(os, name)(folder)
                    entries = list(found)
                    gone.unlink()
                    return entries

                return listing
            return getattr(os, name)

    monkeypatch.setattr("recording_core.download.atomic_file.os", Vanishing("", 0))
    origin, _ = serve(whole())
    assert fetch(origin + "/m", tmp_path / "a.wav").size == len(WAV)


def test_a_file_system_without_locks_will_do(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*args: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    old = part(tmp_path, age=3600)
    origin, _ = serve(whole())
    assert fetch(origin + "/m", tmp_path / "a.wav").size == len(WAV)
    assert old.exists()


def test_an_interrupt_leaves_nothing(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(FailingOs):
        def __getattr__(self, name: str) -> Any:
            if name == "fsync":
                raise KeyboardInterrupt
            return getattr(os, name)

    monkeypatch.setattr("recording_core.download.atomic_file.os", Interrupted("", 0))
    origin, _ = serve(whole())
    with refused(tmp_path / "a.wav", KeyboardInterrupt):
        fetch(origin + "/m", tmp_path / "a.wav")


# -- other processes ------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from recording_core import FileRole, HttpSettings, MediaFile
from recording_core.clock import SystemClock
from recording_core.download.transfer import fetch_file
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.status_codes import ErrorDetails
from recording_core.transport.client import Transport
from recording_core.transport.authentication import NoAuth

url, path, limit = sys.argv[1:]
if int(limit):
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
api = Transport(provider="vendor", base_url="http://127.0.0.1:1", auth=NoAuth(), secrets=(),
    settings=HttpSettings(), clock=SystemClock(), rate=None, error_details=lambda *_: ErrorDetails())
media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=30.0)
print("ready", flush=True)
sys.stdin.readline()
try:
    with Deadline(None) as deadline:
        fetched = fetch_file(media, MediaFile("f", FileRole.MIX, "wav", url=url), Path(path),
            clock=api.clock, retries=0, deadline=deadline,
            facts={"provider": "vendor", "recording_id": "r1"})
    print(fetched.sha256, flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
"""


@contextmanager
def children(
    url: str, path: Path, count: int = 1, limit: int = 0
) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are about to fetch, held back until `go`."""
    command = [sys.executable, "-c", CHILD, url, str(path), str(limit)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def go(processes: list[subprocess.Popen[str]]) -> None:
    """The barrier: without one, processes this short never meet."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@contextmanager
def stream(
    head: bytes, piece: bytes, times: int, hang_after: int | None = None
) -> Iterator[tuple[int, list[int]]]:
    """A server that sends the same piece over and over, and may then say nothing more."""
    over = threading.Event()
    sent: list[int] = []

    def answer(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            try:
                client.sendall(head)
                for number in range(times):
                    if number == hang_after:
                        over.wait(30)
                        return
                    client.sendall(piece)
                    sent.append(len(piece))
            except OSError:
                pass  # the reader has had enough

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(client,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = [threading.Thread(target=serve)]
        threads[0].start()
        try:
            yield server.getsockname()[1], sent
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in list(threads):
                thread.join()


def test_processes_on_one_destination_leave_one_whole_file(serve: Serve, tmp_path: Path) -> None:
    """D8: two temporary names, one final one, whichever comes last."""
    origin, journal = serve(whole())
    path = tmp_path / "a.wav"
    with children(origin + "/m", path, count=3) as processes:
        go(processes)
        said = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert said == [sha256(WAV)] * 3
    assert path.read_bytes() == WAV
    assert list(tmp_path.iterdir()) == [path]
    assert len(journal) == 3


@pytest.mark.parametrize("older", [None, b"older"])
def test_a_killed_process_leaves_the_older_file_and_its_temporary_one_is_removed_later(
    serve: Serve, fetch: Fetch, tmp_path: Path, older: bytes | None
) -> None:
    """D1, D6: kill -9 in the middle of a file."""
    path = tmp_path / "a.wav"
    if older is not None:
        path.write_bytes(older)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\nContent-Type: audio/wav\r\n\r\n"
    piece = WAV[:262144] + WAV[:262144]
    with stream(head, piece, times=64, hang_after=16) as (port, _):
        url = f"http://127.0.0.1:{port}/m"
        with children(url, path) as processes:
            go(processes)
            end = time.monotonic() + 20
            while not any(each.stat().st_size for each in tmp_path.glob(".*.part")):
                assert time.monotonic() < end
                time.sleep(0.01)
            os.kill(processes[0].pid, signal.SIGKILL)
            processes[0].wait()
    assert (path.read_bytes() if path.exists() else None) == older
    (left,) = tmp_path.glob(".*.part")
    os.utime(left, (time.time() - 3600, time.time() - 3600))
    origin, _ = serve(whole())
    fetch(origin + "/m", path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == WAV


def test_a_full_disk_is_a_typed_error(serve: Serve, tmp_path: Path) -> None:
    """D6: a real one, by the kernel's limit on the size of a file."""
    origin, _ = serve(whole())
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")
    with children(origin + "/m", path, limit=100_000) as (process,):
        go([process])
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "StorageError"
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_large_file_passes_through_little_memory(fetch: Fetch, tmp_path: Path) -> None:
    size, piece = 200 * 1024 * 1024, WAV[:44] + bytes(1024 * 1024 - 44)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nContent-Type: audio/wav\r\n\r\n"
    with stream(head.encode(), piece, times=200) as (port, _):
        tracemalloc.start()
        try:
            fetched = fetch(f"http://127.0.0.1:{port}/m", tmp_path / "a.wav", size=size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert fetched.size == (tmp_path / "a.wav").stat().st_size == size
    assert peak < 16 * 1024 * 1024
