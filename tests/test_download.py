"""Download: a file appears under its name once all of its bytes have arrived and been checked."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
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
    RateLimited,
    RecordingError,
    StorageError,
    TooLarge,
    Truncated,
    Unavailable,
)
from recording_core.download.checks import FetchedFile, check_stored_file
from recording_core.download.formats import FORMATS
from recording_core.download.size_limits import compute_size_limit
from recording_core.download.transfer import FileFetcher, fetch_temporarily, store_files
from recording_core.testing import Reply, Request
from recording_core.testing.emulator.media import build_media, build_mp3, build_wav
from recording_core.testing.emulator.ranges import build_file_reply
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]
Fetch = Callable[..., FetchedFile]

WAV = build_wav(20.0)
OTHER = build_wav(20.0, pitch=220)
FACTS = {"provider": "vendor", "recording_id": "r1"}
RETRIES = 3
assert len(WAV) == len(OTHER) > 300_000


def build_reply(body: bytes = WAV, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(200, body, {"Content-Type": "audio/wav", "ETag": '"v1"', **(headers or {})})


def build_cut_reply(body: bytes = WAV, at: int = 100_000, **changes: Any) -> Reply:
    """Build a reply that breaks off after some bytes. The reader loses its last partial chunk."""
    return evolve(build_reply(body), cut_after=at, **changes)


def compute_sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use small chunks, so that a body that breaks off leaves something to resume."""
    monkeypatch.setattr("recording_core.download.transfer._CHUNK_SIZE", 65536)
    monkeypatch.setattr("recording_core.download.digest._LARGE_CHUNK", 65536)


@pytest.fixture
def fetch(transport: MakeTransport) -> Iterator[Fetch]:
    """`fetch(url, path, **fields of the file)` does what a provider's download does per file."""
    made: list[MediaTransport] = []

    def get(url: str, path: Path, *, max_bytes: int | None = None, **fields: Any) -> FetchedFile:
        api = transport("http://127.0.0.1:1", retries=RETRIES, max_media_bytes=max_bytes)
        made.append(
            MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=9.0)
        )
        file = MediaFile("f", FileRole.MIX, **{"format": "wav", "url": url, **fields})
        with Deadline(None) as deadline:
            fetcher = FileFetcher(
                made[-1], clock=api.clock, retries=RETRIES, deadline=deadline, facts=FACTS
            )
            return fetcher.fetch(file, path)

    yield get
    for media in made:
        media.close()


@contextmanager
def check_failure(path: Path, error: type[BaseException], **match: Any) -> Iterator[Any]:
    """Check that the block raises the error, keeps the older file and leaves no other file."""
    path.write_bytes(b"older")
    with pytest.raises(error, **match) as caught:
        yield caught
    assert path.read_bytes() == b"older"
    assert list(path.parent.iterdir()) == [path]
    if isinstance(caught.value, DownloadError):
        assert str(caught.value).startswith("vendor r1: ")


# -- complete files -------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_complete_file_replaces_the_older_one(
    serve: Serve, fetch: Fetch, tmp_path: Path, framing: Any
) -> None:
    """D1, D2."""
    path = tmp_path / "deep" / "er" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"older")
    origin, journal = serve(evolve(build_reply(), framing=framing))
    fetched = fetch(origin + "/m", path)
    assert fetched == FetchedFile(len(WAV), compute_sha256(WAV), ("framing", "format"))
    assert path.read_bytes() == WAV
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert journal[0].header("range") is None


@pytest.mark.parametrize(
    "reply",
    [
        build_cut_reply(),
        build_cut_reply(at=0),
        build_cut_reply(framing="chunked"),
        evolve(build_reply(), cut_headers=True),
        Reply(abort=True),
        build_reply(b""),
        evolve(build_reply(b""), framing="none"),
        evolve(build_reply(b""), framing="chunked"),
    ],
    ids=[
        *("cut with length", "cut at once", "cut with chunks", "cut headers", "no byte"),
        *("empty", "empty without length", "empty with chunks"),
    ],
)
def test_incomplete_body_leaves_no_file(
    serve: Serve, fetch: Fetch, tmp_path: Path, reply: Reply
) -> None:
    """D1, D3: a response that is cut in its headers looks like 200 with 0 bytes."""
    origin, journal = serve(reply)
    errors = (Truncated, Unavailable, NotMedia)
    with check_failure(tmp_path / "a.wav", errors):  # type: ignore[arg-type]
        fetch(origin + "/m", tmp_path / "a.wav")
    assert len(journal) <= 1 + RETRIES


@pytest.mark.parametrize("length", [None, "junk", "-1", "9" * 5000, ""])
def test_body_without_framing_raises_a_doubt(
    serve: Serve, fetch: Fetch, tmp_path: Path, length: str | None
) -> None:
    """D3: also if the response has a length that no client can read."""
    headers = {} if length is None else {"Content-Length": length}
    origin, _ = serve(evolve(build_reply(headers=headers), framing="none"))
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert fetched.checks == ("format",)
    (doubt,) = fetched.doubts
    assert "Nothing proves that the copy is complete" in doubt


@pytest.mark.parametrize(
    ("fields", "check"),
    [({"size": len(WAV)}, "size"), ({"checksum": f"sha256:{compute_sha256(WAV)}"}, "checksum")],
)
def test_body_without_framing_is_verified_by_size_or_checksum(
    serve: Serve, fetch: Fetch, tmp_path: Path, fields: dict[str, Any], check: str
) -> None:
    """D3."""
    origin, _ = serve(evolve(build_reply(), framing="none"))
    fetched = fetch(origin + "/m", tmp_path / "a.wav", **fields)
    assert (fetched.checks, fetched.doubts) == ((check, "format"), ())
    origin, _ = serve(evolve(build_reply(WAV[:-1000]), framing="none"))
    with check_failure(tmp_path / "a.wav", (Truncated, ChecksumMismatch)):  # type: ignore[arg-type]
        fetch(origin + "/m", tmp_path / "a.wav", **fields)


@pytest.mark.parametrize(
    ("size", "error"),
    [(len(WAV) + 1, Truncated), (len(WAV) - 1, ChecksumMismatch)],
)
def test_size_is_compared_with_the_vendors(
    serve: Serve, fetch: Fetch, tmp_path: Path, size: int, error: type[DownloadError]
) -> None:
    """D3."""
    origin, _ = serve(build_reply())
    with check_failure(tmp_path / "a.wav", error):
        fetch(origin + "/m", tmp_path / "a.wav", size=size)


def test_endless_body_ends_at_the_reported_size(fetch: Fetch, tmp_path: Path) -> None:
    """T7: otherwise a hostile host could fill the disk."""
    with serve_stream(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", WAV, times=10_000) as (
        port,
        sent,
    ):
        with check_failure(tmp_path / "a.wav", ChecksumMismatch):
            fetch(f"http://127.0.0.1:{port}/m", tmp_path / "a.wav", size=100_000)
        assert sum(sent) < 50_000_000


ENDLESS = {
    "no framing": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "a Content-Length": b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n",
}


@pytest.mark.parametrize("framing", ENDLESS)
@pytest.mark.parametrize(
    ("fields", "limit", "words"),
    [
        ({"max_bytes": 1_000_000}, 1_000_000, "a file. Nothing was stored"),
        ({"max_bytes": 1_000_000, "size": 2_000_000}, 1_000_000, "a file. Nothing was stored"),
        ({"duration": timedelta(seconds=3)}, 2_000_000 + 3 * 384_000 * 4, "of 3.0 s in its"),
        ({}, 20_000_000, "without a size and a duration"),
    ],
    ids=["setting", "setting below the size", "duration and format", "nothing known"],
)
def test_file_without_end_is_ended_by_a_limit(
    fetch: Fetch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    framing: str,
    fields: dict[str, Any],
    limit: int,
    words: str,
) -> None:
    """T7: a media host chooses how many bytes it sends."""
    for module in ("transfer", "size_limits"):
        name = f"recording_core.download.{module}.SMALLEST_LIMIT"
        monkeypatch.setattr(name, 2_000_000)
    monkeypatch.setattr("recording_core.download.size_limits.DEFAULT_LIMIT", 20_000_000)
    with serve_stream(ENDLESS[framing], WAV, times=1000) as (port, sent):
        with check_failure(tmp_path / "a.wav", TooLarge, match=words) as caught:
            fetch(f"http://127.0.0.1:{port}/m", tmp_path / "a.wav", **fields)
        assert f"longer than {limit} bytes" in str(caught.value)
        assert "HttpSettings(max_media_bytes=)" in str(caught.value)
        # A length that is stated is compared at once; the sockets' buffers hold some megabytes.
        assert sum(sent) < (10_000_000 if "Length" in framing else limit + 30_000_000)


def test_content_of_another_format_raises_the_limit(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A WAV that is listed as an MP3 file is kept, with a doubt."""
    for module in ("transfer", "size_limits"):
        monkeypatch.setattr(f"recording_core.download.{module}.SMALLEST_LIMIT", 0)
    origin, _ = serve(build_reply())
    duration = timedelta(seconds=len(WAV) / 384_000 / 3)
    assert fetch(origin + "/m", tmp_path / "a.mp3", format="mp3", duration=duration).doubts
    with check_failure(tmp_path / "a.wav", TooLarge):
        fetch(origin + "/m", tmp_path / "a.wav", duration=duration / 2)


def test_size_that_the_vendor_reports_is_allowed(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.download.transfer.SMALLEST_LIMIT", 1000)
    monkeypatch.setattr("recording_core.download.size_limits.DEFAULT_LIMIT", 1000)
    origin, _ = serve(build_reply())
    assert fetch(origin + "/m", tmp_path / "a.wav", size=len(WAV)).size == len(WAV)
    assert fetch(origin + "/m", tmp_path / "a.wav", max_bytes=len(WAV)).size == len(WAV)
    with check_failure(tmp_path / "a.wav", TooLarge):
        fetch(origin + "/m", tmp_path / "a.wav")


@pytest.mark.parametrize("format", [*FORMATS, "xyz", None])
def test_limit_is_far_above_an_hour_of_each_format(format: str | None) -> None:
    """Twice the bytes of an hour: of 1080p video, of CD quality, or of the best quality."""
    bytes_of_hour = {"wav": 635_040_000, "mp3": 144_000_000, "opus": 229_500_000, "amr": 10_732_500}
    limit = compute_size_limit(timedelta(hours=1), {format, None})
    assert limit > 2 * bytes_of_hour.get(format or "", 0)
    assert limit < 64 * 1024**3
    if format in ("mp4", "webm", "mkv", "zip", "tar", "gz", "xyz", None):
        assert limit > 2 * 3_600_000_000


def test_size_of_0_is_not_a_size(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    origin, _ = serve(build_reply())
    fetched = fetch(origin + "/m", tmp_path / "a.wav", size=0)
    assert (fetched.size, fetched.checks) == (len(WAV), ("framing", "format"))


@pytest.mark.parametrize(("framing", "error"), [("length", NotMedia), ("none", Truncated)])
@pytest.mark.parametrize("size", [None, 0])
def test_empty_file_is_not_media(
    serve: Serve,
    fetch: Fetch,
    tmp_path: Path,
    framing: Any,
    error: type[DownloadError],
    size: int | None,
) -> None:
    """Without framing, an empty file may be one that was cut."""
    origin, _ = serve(evolve(build_reply(b""), framing=framing))
    with check_failure(tmp_path / "a.wav", error, match="empty file"):
        fetch(origin + "/m", tmp_path / "a.wav", size=size, format=None)


@pytest.mark.parametrize(
    ("checksum", "compared"),
    [
        (f"sha256:{compute_sha256(WAV)}", True),
        (f"sha256:{compute_sha256(WAV).upper()}", False),
        ("sha256:e3b0c442", False),  # the sample in Audian's documentation is too short as well
        ("md5:d41d8cd98f00b204e9800998ecf8427e", False),
        ("", False),
        (None, False),
    ],
)
def test_only_a_valid_checksum_is_compared(
    serve: Serve, fetch: Fetch, tmp_path: Path, checksum: str | None, compared: bool
) -> None:
    """D3."""
    origin, _ = serve(build_reply())
    checks = fetch(origin + "/m", tmp_path / "a.wav", checksum=checksum).checks
    assert ("checksum" in checks) is compared


def test_other_bytes_than_the_checksum_raise(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """D3."""
    origin, journal = serve(build_reply(OTHER))
    with check_failure(tmp_path / "a.wav", ChecksumMismatch):
        fetch(
            origin + "/m",
            tmp_path / "a.wav",
            checksum=f"sha256:{compute_sha256(WAV)}",
            size=len(WAV),
        )
    assert len(journal) == 1


def test_a_retry_after_beyond_the_bound_for_the_first_byte_is_not_waited_for(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    """T6: the file would begin after the time that the call may take; here 9 s."""
    origin, journal = serve(Reply(429, b"", {"Retry-After": "10"}))
    began = time.monotonic()
    with check_failure(tmp_path / "a.wav", RateLimited) as caught:
        fetch(origin + "/m", tmp_path / "a.wav")
    assert caught.value.retry_after == timedelta(seconds=10)
    assert (len(journal), time.monotonic() - began < 5) == (1, True)


# -- media and pages ------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><title>The link has expired</title>"
PAGES = {
    "html": (PAGE, "text/html; charset=utf-8"),
    "html, declared as audio": (PAGE, "audio/mpeg"),
    "html after white space": (b"\xef\xbb\xbf \r\n\t" + PAGE, ""),
    "long html": (PAGE * 1000, "audio/wav"),
    "json": (b'{"error": "expired"}', "application/json"),
    "json, declared as audio": (b'{"error": "expired"}', "audio/wav"),
    "problem": (b'{"type": "about:blank"}', "application/problem+json"),
    "xml": (b"<?xml version='1.0'?><Error/>", "application/xml"),
    "short text, declared as html": (b"Not found", "text/html"),
    "text": (b"Access denied", "text/plain"),
    "text, declared as audio": ("Gelöscht am 3. März".encode(), "audio/mpeg"),
    "text with a cut character": (b"x" * 511 + "ä".encode() * 100, "audio/mpeg"),
    "latin-1 text": ("Gelöscht".encode("latin-1"), "text/plain; charset=iso-8859-1"),
    "latin-1 html, declared as audio": ("<p>Gelöscht".encode("latin-1"), "audio/wav"),
    "utf-16": ("\ufeff<p>gone".encode("utf-16-le"), "audio/mpeg"),
    "html like a box of padding": (b"<p> free plan</p>", "text/html"),
    "text like a box of padding": (b"The free plan has no downloads", "audio/mpeg"),
    "text like a tag": (b"ID3 tags missing: error", "text/plain"),
    "playlist": (b"#EXTM3U\n#EXT-X-ENDLIST\n", "audio/mpegurl"),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("format", [None, "wav", "mp3", "holo"])
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
def test_page_in_place_of_media_raises(
    serve: Serve, fetch: Fetch, tmp_path: Path, page: str, format: str | None, framing: Any
) -> None:
    """D5."""
    body, kind = PAGES[page]
    origin, journal = serve(Reply(200, body, {"Content-Type": kind}, framing=framing))
    with check_failure(tmp_path / "a.bin", NotMedia):
        fetch(origin + "/m", tmp_path / "a.bin", format=format)
    assert len(journal) == 1


HEADS = {
    "aac": b"\xff\xf1\x50\x80",
    "aiff": b"FORM\x00\x00\x00\x24AIFF",
    "amr": b"#!AMR\n",
    "flac": b"fLaC\x00",
    "gz": b"\x1f\x8b\x08",
    "m4a": b"\x00\x00\x00\x20ftypM4A ",
    "mkv": b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
    "mp3": b"ID3\x04\x00",
    "mp4": b"\x00\x00\x00\x18ftypisom",
    "ogg": b"OggS\x00\x02",
    "opus": b"OggS\x00\x02" + bytes(22) + b"OpusHead",
    "tar": bytes(257) + b"ustar\x0000",
    "wav": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "webm": b"\x1a\x45\xdf\xa3\x9f",
    "zip": b"PK\x03\x04\x14\x00",
}


@pytest.mark.parametrize("format", [*FORMATS, "holo", None])
@pytest.mark.parametrize("content", FORMATS)
@pytest.mark.parametrize("size", [0, 2000])
def test_content_determines_the_format(
    serve: Serve, fetch: Fetch, tmp_path: Path, format: str | None, content: str, size: int
) -> None:
    """D5: media of another format than listed is kept, under its extension and with a doubt."""
    containers = {"gz": "tar", "m4a": "mp4", "opus": "ogg"}
    body = HEADS[content] + bytes(size)
    origin, _ = serve(Reply(200, body, {"Content-Type": "application/octet-stream"}))
    fetched = fetch(origin + "/m", tmp_path / "a.bin", format=format)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == body
    listed = str(format)
    if listed in FORMATS and containers.get(listed, listed) == containers.get(content, content):
        assert (fetched.checks, fetched.doubts) == (("framing", "format"), ())
        assert (path.name, fetched.extension) == ("a.bin", None)
        return
    assert fetched.checks == ("framing",)
    assert (path.name, fetched.extension) == (f"a.{content}", f".{content}")
    doubt = f"The vendor lists the file as {listed.upper()}, and its content is {content.upper()}"
    assert fetched.doubts == ((doubt,) if listed in FORMATS else ())


@pytest.mark.parametrize("format", ["wav", "mp3"])
def test_content_of_no_known_format_is_kept_with_a_doubt(
    serve: Serve, fetch: Fetch, tmp_path: Path, format: str
) -> None:
    """D5: such as raw samples; only pages, texts and nothing are not media."""
    origin, _ = serve(Reply(200, b"\xff\x00noise" * 100, {"Content-Type": "audio/basic"}))
    fetched = fetch(origin + "/m", tmp_path / "a.wav", format=format)
    assert (fetched.checks, fetched.extension) == (("framing",), None)
    (doubt,) = fetched.doubts
    assert doubt.endswith("its content is of no known format")


MP3 = build_mp3(20.0)
ID3 = b"ID3\x04\x00\x00" + bytes((0, 0, 4, 0)) + bytes(512)
APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 40, 1, 0xA0000000)


@pytest.mark.parametrize(
    "before",
    [
        *(b"", b"\0", bytes(417), bytes(5000), ID3, ID3 + ID3, ID3 + bytes(300)),
        *(APE + bytes(40), ID3 + APE + bytes(40)),
    ],
    ids=lambda before: f"{len(before)} {before[:3].decode()}".strip("\0 "),
)
def test_mp3_with_tags_or_zeros_first_is_mp3(
    serve: Serve, fetch: Fetch, tmp_path: Path, before: bytes
) -> None:
    origin, _ = serve(build_reply(before + MP3))
    fetched = fetch(origin + "/m", tmp_path / "a.mp3", format="mp3", duration=timedelta(seconds=20))
    assert (fetched.checks, fetched.doubts) == (("framing", "format", "duration"), ())


@pytest.mark.parametrize(
    ("before", "content", "format"),
    [(ID3, HEADS["flac"], "flac"), (ID3, HEADS["aac"], "aac"), (ID3 * 20, HEADS["flac"], "mp3")],
)
def test_format_after_a_tag_is_the_contents(
    serve: Serve, fetch: Fetch, tmp_path: Path, before: bytes, content: bytes, format: str
) -> None:
    origin, _ = serve(build_reply(before + content + bytes(600)))
    assert fetch(origin + "/m", tmp_path / "a.bin", format=None).extension == f".{format}"


def test_zeros_before_another_format_prove_nothing(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    origin, _ = serve(build_reply(bytes(100) + HEADS["wav"] + bytes(600)))
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert (fetched.checks, len(fetched.doubts)) == (("framing",), 1)


def test_mp4_with_sound_alone_gets_the_extension_m4a(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    body = build_media("mp4", timedelta(seconds=20))
    origin, _ = serve(build_reply(body, {"Content-Type": "audio/mp4"}))
    fetched = fetch(origin + "/m", tmp_path / "a.mp3", format="mp3")
    assert fetched.extension == ".m4a"
    assert [path.name for path in tmp_path.iterdir()] == ["a.m4a"]


# -- lengths --------------------------------------------------------------------------------------


def build_wav_header(
    *chunks: tuple[bytes, bytes], riff: bytes = b"RIFF", data_size: int, present: int
) -> bytes:
    """Build a WAV file of 16,000 bytes per second; `data_size` is what its header states."""
    layout = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    parts = [
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in (*chunks, (b"fmt ", layout))
    ]
    end = b"data" + struct.pack("<I", data_size) + bytes(present)
    return riff + bytes(4) + b"WAVE" + b"".join(parts) + end


SIZE_64 = struct.pack("<QQQI", 0, 320_000, 160_000, 0)
LENGTHS = {
    "wav": build_wav_header(data_size=320_000, present=320_000),
    "wav with a chunk of odd size": build_wav_header(
        (b"LIST", b"odd"), data_size=320_000, present=320_000
    ),
    "wav with a chunk after it": build_wav_header(data_size=320_000, present=320_000) + bytes(99),
    "streamed wav": build_wav_header(data_size=0xFFFFFFFF, present=320_000),
    "streamed wav, smaller number": build_wav_header(data_size=0x7FFFFFFF, present=320_000),
    "unfinished wav": build_wav_header(data_size=0, present=320_000),
    "rf64": build_wav_header(
        (b"ds64", SIZE_64), riff=b"RF64", data_size=0xFFFFFFFF, present=320_000
    ),
    **{
        format: build_media(format, timedelta(seconds=20))
        for format in ("webm", "mp3", "mp4", "m4a", "opus")
    },
}


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize(
    ("seconds", "is_short"), [(10, False), (20, False), (22, False), (22.3, True), (1380, True)]
)
def test_length_is_compared_with_the_vendors_duration(
    serve: Serve, fetch: Fetch, tmp_path: Path, name: str, seconds: float, is_short: bool
) -> None:
    """20 s of media: less than 90 % of 22.3 s, and more than 2 s shorter."""
    format = name if name in FORMATS else "wav"
    origin, _ = serve(build_reply(LENGTHS[name]))
    fetched = fetch(
        origin + "/m", tmp_path / "a.bin", format=format, duration=timedelta(seconds=seconds)
    )
    assert ("duration" in fetched.checks) is not is_short
    assert [
        f"20.0 s, and the vendor reports a duration of {seconds:.1f} s" in doubt
        for doubt in fetched.doubts
    ] == [True] * is_short


def test_short_file_may_be_two_seconds_shorter(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    origin, _ = serve(build_reply(build_wav(1.0)))
    fetched = fetch(origin + "/m", tmp_path / "a.wav", duration=timedelta(seconds=3))
    assert (fetched.checks, fetched.doubts) == (("framing", "format", "duration"), ())


@pytest.mark.parametrize("duration", [None, timedelta(0)])
@pytest.mark.parametrize("format", ["wav", "webm"])
def test_without_a_duration_of_the_vendor_nothing_is_compared(
    serve: Serve, fetch: Fetch, tmp_path: Path, format: str, duration: timedelta | None
) -> None:
    origin, _ = serve(build_reply(build_media(format, timedelta(seconds=1))))
    fetched = fetch(origin + "/m", tmp_path / "a.bin", format=format, duration=duration)
    assert (fetched.checks, fetched.doubts) == (("framing", "format"), ())


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("wav", HEADS["wav"] + bytes(2000)),
        ("wav", build_wav(1.0)[:36]),
        ("wav", b"RIFF\0\0\0\0WAVE" + b"data\x10\0\0\0" + bytes(16)),  # without `fmt `
        ("webm", HEADS["webm"] + bytes(2000)),
        ("webm", build_media("webm", timedelta(seconds=20))[:-4]),
        ("webm", build_media("webm", timedelta(seconds=float("1e10")))),
        ("webm", bytes.fromhex("1a45dfa380 18538067ff 1f43b675ff") + bytes(600)),  # streamed
        # An element of 72 petabytes, beyond the largest position in a file of any disk.
        ("webm", bytes.fromhex("1a45dfa380 1853806701ffffffffffffff 1654ae6b017fffffffffffff")),
        ("mp3", HEADS["mp3"] + bytes(2000)),
        ("mp4", HEADS["mp4"] + bytes(2000)),
        ("tar", HEADS["tar"] + bytes(2000)),
        ("aac", HEADS["aac"] + bytes(2000)),
    ],
)
def test_duration_that_cannot_be_compared_raises_a_doubt(
    serve: Serve, fetch: Fetch, tmp_path: Path, format: str, body: bytes
) -> None:
    origin, _ = serve(build_reply(body))
    fetched = fetch(
        origin + "/m", tmp_path / "a.bin", format=format, duration=timedelta(seconds=20)
    )
    assert fetched.checks == ("framing", "format")
    assert fetched.doubts == (
        "The length of the file cannot be read, and the vendor reports a duration of 20.0 s",
    )


@pytest.mark.parametrize(("format", "compared"), [("mp3", False), ("wav", True), ("webm", True)])
def test_other_formats_are_compared_only_with_tinytag(
    serve: Serve,
    fetch: Fetch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
    compared: bool,
) -> None:
    monkeypatch.setitem(sys.modules, "tinytag", None)
    length = timedelta(seconds=20)
    origin, _ = serve(build_reply(build_media(format, length)))
    fetched = fetch(origin + "/m", tmp_path / "a.bin", format=format, duration=length)
    assert ("duration" in fetched.checks) is compared
    hints = [
        doubt.endswith("Install recording-core[media] to compare them") for doubt in fetched.doubts
    ]
    assert hints == [True] * (not compared)


@pytest.mark.parametrize(("present", "whole"), [(0, False), (2000, False), (319_000, True)])
@pytest.mark.parametrize("duration", [None, timedelta(seconds=1)])
def test_wav_that_is_shorter_than_its_header_raises_a_doubt(
    serve: Serve, fetch: Fetch, tmp_path: Path, present: int, whole: bool, duration: timedelta
) -> None:
    """Its framing is right: the vendor stored only a part."""
    origin, _ = serve(build_reply(build_wav_header(data_size=320_000, present=present)))
    fetched = fetch(origin + "/m", tmp_path / "a.wav", duration=duration)
    stated = [doubt for doubt in fetched.doubts if "The header of the file states 20.0 s" in doubt]
    assert bool(stated) is not whole


def test_unsupported_format_is_kept_without_a_format_check(
    serve: Serve, fetch: Fetch, tmp_path: Path
) -> None:
    origin, _ = serve(Reply(200, b"\x00hologram", {"Content-Type": "model/holo"}))
    assert fetch(origin + "/m", tmp_path / "a.bin", format="holo").checks == ("framing",)


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "GZIP"])
def test_compressed_response_raises(
    serve: Serve, fetch: Fetch, tmp_path: Path, encoding: str
) -> None:
    """T8."""
    origin, _ = serve(build_reply(headers={"Content-Encoding": encoding}))
    with check_failure(tmp_path / "a.wav", NotMedia, match="compressed the file"):
        fetch(origin + "/m", tmp_path / "a.wav")


@pytest.mark.parametrize(
    "encoding",
    [
        *("", "identity", " Identity ", "aws-chunked", "UTF-8", "binary", "none", "8bit"),
        "identity, aws-chunked",
    ],
)
def test_content_encoding_that_is_not_a_coding_is_ignored(
    serve: Serve, fetch: Fetch, tmp_path: Path, encoding: str
) -> None:
    origin, _ = serve(build_reply(headers={"Content-Encoding": encoding}))
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert fetched == FetchedFile(len(WAV), compute_sha256(WAV), ("framing", "format"))


def test_file_without_a_url_raises(fetch: Fetch, tmp_path: Path) -> None:
    with check_failure(tmp_path / "a.wav", NotMedia):
        fetch(None, tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("size", "sha256", "expected"),
    [
        (len(WAV), None, ("size", "format")),
        (None, compute_sha256(WAV), ("framing", "format")),
        (None, None, ("format",)),
        (len(WAV) - 1, compute_sha256(WAV), ChecksumMismatch),
        (len(WAV) + 1, compute_sha256(WAV), Truncated),
    ],
)
def test_stored_file_is_checked_like_one_that_arrives(
    tmp_path: Path, size: int | None, sha256: str | None, expected: Any
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    file = MediaFile("f", FileRole.MIX, format="wav", size=size)
    if isinstance(expected, type):
        with pytest.raises(expected):
            check_stored_file(file, path, sha256=sha256)
    else:
        found = check_stored_file(file, path, sha256=sha256)
        assert (found.size, found.sha256, found.checks) == (len(WAV), compute_sha256(WAV), expected)


# -- resuming -------------------------------------------------------------------------------------


def test_interrupted_file_is_resumed(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """D4: the digest covers the whole file."""
    etag = build_file_reply(Request("GET", "/", (), {}, b"", ""), WAV, "audio/wav").headers["ETag"]

    def answer(request: Request) -> Reply:
        reply = build_file_reply(request, WAV, "audio/wav")
        return evolve(reply, cut_after=150_000 if len(journal) < 3 else None)

    origin, journal = serve(answer)
    fetched = fetch(origin + "/m", tmp_path / "a.wav", checksum=f"sha256:{compute_sha256(WAV)}")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert fetched.checks == ("framing", "checksum", "format")
    assert [request.header("range") for request in journal] == [
        None,
        "bytes=150000-",
        "bytes=300000-",
    ]
    assert [request.header("if-range") for request in journal] == [None, etag, etag]


def build_partial_reply(
    body: bytes = WAV,
    received: int = 100_000,
    content_range: str | None = None,
    etag: str = '"v1"',
    encoding: str = "identity",
) -> Reply:
    correct = f"bytes {received}-{len(body) - 1}/{len(body)}"
    return Reply(
        206,
        body[received:],
        {"Content-Range": content_range or correct, "ETag": etag, "Content-Encoding": encoding},
    )


@pytest.mark.parametrize(
    "replies",
    [
        (evolve(build_cut_reply(), headers={"ETag": 'W/"v1"'}),),
        (evolve(build_cut_reply(), headers={}),),
        (evolve(build_cut_reply(), headers={"ETag": "v1"}),),
        (evolve(build_cut_reply(), framing="chunked"),),
    ],
    ids=["weak", "none", "unquoted", "no total"],
)
def test_transfer_restarts_without_a_strong_etag_and_a_total(
    serve: Serve, fetch: Fetch, tmp_path: Path, replies: tuple[Reply, ...]
) -> None:
    """D4."""
    origin, journal = serve(*replies, build_reply())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert [request.header("range") for request in journal] == [None, None]


WRONG_RANGES = {
    "another start": build_partial_reply(content_range=f"bytes 100001-{len(WAV) - 1}/{len(WAV)}"),
    "another end": build_partial_reply(content_range=f"bytes 100000-{len(WAV) - 2}/{len(WAV)}"),
    "another total": build_partial_reply(
        content_range=f"bytes 100000-{len(WAV) - 1}/{len(WAV) + 1}"
    ),
    "an unknown total": build_partial_reply(content_range=f"bytes 100000-{len(WAV) - 1}/*"),
    "no range": evolve(build_partial_reply(), headers={"ETag": '"v1"'}),
    "another unit": build_partial_reply(content_range=f"items 100000-{len(WAV) - 1}/{len(WAV)}"),
    "junk": build_partial_reply(content_range="bytes"),
    "digits without end": build_partial_reply(
        content_range=f"bytes 100000-{'9' * 5000}/{len(WAV)}"
    ),
    "another file": build_partial_reply(OTHER, etag='"v2"'),
    "more bytes than stated": evolve(
        build_partial_reply(), body=WAV[100_000:] + b"more", framing="chunked"
    ),
    "416": Reply(416, b"", {"Content-Range": f"bytes */{len(WAV)}"}),
}


@pytest.mark.parametrize("wrong", WRONG_RANGES)
def test_transfer_restarts_after_an_unexpected_range(
    serve: Serve, fetch: Fetch, tmp_path: Path, wrong: str
) -> None:
    """D4."""
    origin, journal = serve(build_cut_reply(), WRONG_RANGES[wrong], build_reply())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert [request.header("range") for request in journal] == [None, "bytes=100000-", None]


def test_changed_file_is_fetched_from_its_start(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """D4: because of If-Range, the host returns 200 with the new file."""
    origin, journal = serve(build_cut_reply(), evolve(build_reply(OTHER), headers={"ETag": '"v2"'}))
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == OTHER
    assert (len(journal), fetched.sha256) == (2, compute_sha256(OTHER))


@pytest.mark.parametrize(
    "reply",
    [build_partial_reply(received=0), evolve(build_reply(), status=203)],
    ids=["206", "203"],
)
def test_whole_file_is_read_with_status_206_and_203(
    serve: Serve, fetch: Fetch, tmp_path: Path, reply: Reply
) -> None:
    origin, journal = serve(reply)
    fetched = fetch(origin + "/m", tmp_path / "a.wav")
    assert fetched == FetchedFile(len(WAV), compute_sha256(WAV), ("framing", "format"))
    assert len(journal) == 1


@pytest.mark.parametrize(
    "reply",
    [
        build_partial_reply(),
        build_partial_reply(received=0, content_range=f"bytes 0-{len(WAV) - 1}/{len(WAV) + 1}"),
        build_partial_reply(received=0, content_range=f"bytes 0-{len(WAV) - 1}/{len(WAV) - 1}"),
        build_partial_reply(received=0, content_range=f"bytes 0-{len(WAV) - 1}/*"),
        build_partial_reply(
            WAV[:-1], received=0, content_range=f"bytes 0-{len(WAV) - 1}/{len(WAV)}"
        ),
        evolve(build_partial_reply(received=0), headers={}),
        evolve(build_cut_reply(), status=203),
    ],
)
def test_part_of_a_file_with_status_206_or_203_is_fetched_again(
    serve: Serve, fetch: Fetch, tmp_path: Path, reply: Reply
) -> None:
    origin, journal = serve(reply, build_reply())
    fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert len(journal) == 2


def test_compressed_range_raises(serve: Serve, fetch: Fetch, tmp_path: Path) -> None:
    """T8."""
    origin, _ = serve(build_cut_reply(), build_partial_reply(encoding="gzip"))
    with check_failure(tmp_path / "a.wav", NotMedia):
        fetch(origin + "/m", tmp_path / "a.wav")


# -- packed files ---------------------------------------------------------------------------------


def build_leg(name: str, **fields: Any) -> MediaFile:
    return MediaFile(name, FileRole.LEG, **{"format": "wav", **fields})


def test_temporarily_fetched_file_exists_during_the_block_only(
    serve: Serve, transport: MakeTransport, tmp_path: Path
) -> None:
    origin, _ = serve(build_cut_reply(), build_partial_reply())
    api = transport("http://127.0.0.1:1", retries=RETRIES)
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=9.0)
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


@pytest.mark.parametrize("body", [WAV, PAGE])
def test_temporarily_fetched_file_of_another_format_raises(
    serve: Serve, transport: MakeTransport, tmp_path: Path, body: bytes
) -> None:
    """An archive that is not one cannot be unpacked."""
    origin, _ = serve(build_reply(body))
    api = transport("http://127.0.0.1:1", retries=RETRIES)
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=9.0)
    file = MediaFile("f", FileRole.MIX, "zip", url=origin + "/m")
    with (
        pytest.raises(NotMedia, match="vendor r1: ") as caught,
        Deadline(None) as deadline,
        fetch_temporarily(
            media,
            file,
            tmp_path / "a.zip",
            clock=api.clock,
            retries=RETRIES,
            deadline=deadline,
            facts=FACTS,
        ),
    ):
        pytest.fail("the block ran")
    assert caught.value.recording_id == "r1"
    assert list(tmp_path.iterdir()) == []
    media.close()


def test_packed_file_of_another_format_gets_its_extension(tmp_path: Path) -> None:
    part = (build_leg("in", format="mp3"), tmp_path / "in.mp3", iter([WAV]))
    [stored] = store_files([part], facts=FACTS)
    assert (stored.extension, len(stored.doubts)) == (".wav", 1)
    assert (tmp_path / "in.wav").read_bytes() == WAV


def test_packed_files_are_stored_and_checked(tmp_path: Path) -> None:
    parts = [
        (
            build_leg("in", size=len(WAV)),
            tmp_path / "deep" / "in.wav",
            iter([WAV[:1000], WAV[1000:]]),
        ),
        (build_leg("out"), tmp_path / "out.wav", iter([OTHER])),
    ]
    assert store_files(parts, facts=FACTS) == [
        FetchedFile(len(WAV), compute_sha256(WAV), ("framing", "size", "format")),
        FetchedFile(len(OTHER), compute_sha256(OTHER), ("framing", "format")),
    ]
    assert [path.read_bytes() for _, path, _ in parts] == [WAV, OTHER]
    assert not list(tmp_path.rglob("*.part"))


def test_packed_file_that_is_too_large_stores_none(tmp_path: Path) -> None:
    parts = [(build_leg("in"), tmp_path / "in.wav", iter([WAV[:1000], WAV[1000:]]))]
    with pytest.raises(TooLarge, match="vendor r1: The file is longer than 2000 bytes"):
        store_files(parts, facts=FACTS, max_bytes=2000)
    assert list(tmp_path.iterdir()) == []


def test_many_packed_files_use_one_extra_thread(tmp_path: Path) -> None:
    before, running = threading.active_count(), list[int]()

    def generate_chunks() -> Iterator[bytes]:
        yield WAV
        running.append(threading.active_count())

    store_files(
        (
            (build_leg(f"{number}"), tmp_path / f"{number}.wav", generate_chunks())
            for number in range(5)
        ),
        facts=FACTS,
    )
    assert running == [before + 1] * 5
    assert threading.active_count() == before


def fail_to_start(*_: object) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("place", "value", "since"),
    [
        ("threading.Thread.start", fail_to_start, 0),
        ("concurrent.futures.thread._shutdown", True, 2),
    ],
)
def test_file_is_hashed_if_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: Any, since: int
) -> None:
    """In a process that cannot start more threads, and in one that is ending."""

    def generate_chunks() -> Iterator[bytes]:
        for number, start in enumerate(range(0, len(WAV), 65536)):
            if number == since:
                monkeypatch.setattr(place, value)
            yield WAV[start : start + 65536]

    [stored] = store_files([(build_leg("in"), tmp_path / "in.wav", generate_chunks())], facts=FACTS)
    assert stored.sha256 == compute_sha256(WAV)


@pytest.mark.parametrize(
    ("fields", "chunks", "error"),
    [
        ({}, [b"<html>" + bytes(600)], NotMedia),
        ({}, [], NotMedia),
        ({"size": len(WAV) + 1}, [WAV], Truncated),
        ({"size": len(WAV) - 1}, [WAV], ChecksumMismatch),
        ({"checksum": f"sha256:{'0' * 64}"}, [WAV], ChecksumMismatch),
    ],
)
def test_one_bad_packed_file_stores_none_and_keeps_older_ones(
    tmp_path: Path, fields: dict[str, Any], chunks: list[bytes], error: type[DownloadError]
) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(b"older")
    with pytest.raises(error):
        store_files(
            [(build_leg("in"), good, iter([WAV])), (build_leg("out", **fields), bad, iter(chunks))],
            facts=FACTS,
        )
    assert good.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [good]


# -- the disk -------------------------------------------------------------------------------------


class FailingOs:
    """A replacement of `os` in which one function fails."""

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
def test_disk_error_is_typed_and_keeps_the_older_file(
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
    origin, journal = serve(build_reply())
    with check_failure(tmp_path / "a.wav", StorageError, match=os.strerror(code)):
        fetch(origin + "/m", tmp_path / "a.wav")
    assert len(journal) == (name != "open")


def test_disk_error_on_restart_is_typed(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "recording_core.download.atomic_file.os", FailingOs("ftruncate", errno.EIO, 0)
    )
    origin, _ = serve(evolve(build_cut_reply(), headers={}), build_reply())
    with check_failure(tmp_path / "a.wav", StorageError):
        fetch(origin + "/m", tmp_path / "a.wav")


def test_errors_on_closing_a_discarded_file_are_ignored(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D6: an error of close() after fsync() changes nothing."""
    monkeypatch.setattr("recording_core.download.atomic_file.os", FailingOs("close", errno.EIO))
    origin, _ = serve(Reply(404), build_reply())
    with check_failure(tmp_path / "a.wav", RecordingError):
        fetch(origin + "/m", tmp_path / "a.wav")


def test_folder_sync_error_reports_that_the_file_is_complete(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: a name is durable only after its folder was synced."""
    monkeypatch.setattr("recording_core.download.atomic_file.os", FailingOs("fsync", errno.EIO, 1))
    origin, _ = serve(build_reply())
    with pytest.raises(StorageError, match="power failure"):
        fetch(origin + "/m", tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == WAV
    assert list(tmp_path.iterdir()) == [tmp_path / "a.wav"]


def test_bytes_are_synced_before_the_rename_and_the_folder_after(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: in another order, a power failure could leave a name without bytes."""
    steps: list[str] = []

    class TracingOs(FailingOs):
        def __getattr__(self, name: str) -> Any:
            real = getattr(os, name)
            if name not in ("fsync", "replace"):
                return real

            def trace(*args: Any) -> None:
                is_folder = name == "fsync" and os.path.isdir(f"/proc/self/fd/{args[0]}")
                steps.append("fsync folder" if is_folder else name)
                real(*args)

            return trace

    monkeypatch.setattr("recording_core.download.atomic_file.os", TracingOs("", 0))
    origin, _ = serve(build_reply())
    fetch(origin + "/m", tmp_path / "a.wav")
    if sys.platform == "linux":
        assert steps == ["fsync", "replace", "fsync folder"]


@pytest.mark.parametrize("where", ["a file", "a folder as the name", "a read-only folder"])
def test_impossible_destination_is_a_typed_error(
    serve: Serve, fetch: Fetch, tmp_path: Path, where: str
) -> None:
    """D6."""
    origin, _ = serve(build_reply())
    path = tmp_path / "a.wav"
    if where == "a file":
        (tmp_path / "file").write_bytes(b"")
        path = tmp_path / "file" / "a.wav"
    elif where == "a folder as the name":
        (path / "in").mkdir(parents=True)
    else:
        tmp_path.chmod(0o500)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("the superuser can write to a read-only folder")
    with pytest.raises(StorageError):
        fetch(origin + "/m", path)
    tmp_path.chmod(0o700)
    assert not list(tmp_path.rglob("*.part"))


def test_keyboard_interrupt_leaves_no_file(
    serve: Serve, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InterruptedOs(FailingOs):
        def __getattr__(self, name: str) -> Any:
            if name == "fsync":
                raise KeyboardInterrupt
            return getattr(os, name)

    monkeypatch.setattr("recording_core.download.atomic_file.os", InterruptedOs("", 0))
    origin, _ = serve(build_reply())
    with check_failure(tmp_path / "a.wav", KeyboardInterrupt):
        fetch(origin + "/m", tmp_path / "a.wav")


# -- other processes ------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from recording_core import FileRole, HttpSettings, MediaFile
from recording_core.clock import SystemClock
from recording_core.download.transfer import FileFetcher
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
    settings=HttpSettings(), clock=SystemClock(), rate=None,
    error_details=lambda *_: ErrorDetails())
media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=30.0)
print("ready", flush=True)
sys.stdin.readline()
try:
    with Deadline(None) as deadline:
        fetcher = FileFetcher(media, clock=api.clock, retries=0, deadline=deadline,
            facts={"provider": "vendor", "recording_id": "r1"})
        fetched = fetcher.fetch(MediaFile("f", FileRole.MIX, "wav", url=url), Path(path))
    print(fetched.sha256, flush=True)
except Exception as error:
    print(type(error).__name__, flush=True)
"""


@contextmanager
def start_children(
    url: str, path: Path, count: int = 1, limit: int = 0
) -> Iterator[list[subprocess.Popen[str]]]:
    """Start processes that wait for `release` before they fetch."""
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


def release(processes: list[subprocess.Popen[str]]) -> None:
    """Release the processes at once: without this barrier they would run one after the other."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@contextmanager
def serve_stream(
    head: bytes, piece: bytes, times: int, hang_after: int | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Serve a body of many equal pieces, which may stop after some of them."""
    ended = threading.Event()
    sent: list[int] = []

    def answer(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            try:
                client.sendall(head)
                for number in range(times):
                    if number == hang_after:
                        ended.wait(30)
                        return
                    client.sendall(piece)
                    sent.append(len(piece))
            except OSError:
                pass  # the client closed the connection

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
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            for thread in list(threads):
                thread.join()


def test_concurrent_processes_leave_one_complete_file(serve: Serve, tmp_path: Path) -> None:
    """D8: each process has its own temporary file, and the last rename wins."""
    origin, journal = serve(build_reply())
    path = tmp_path / "a.wav"
    with start_children(origin + "/m", path, count=3) as processes:
        release(processes)
        output = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert output == [compute_sha256(WAV)] * 3
    assert path.read_bytes() == WAV
    assert list(tmp_path.iterdir()) == [path]
    assert len(journal) == 3


@pytest.mark.parametrize("older", [None, b"older"])
def test_killed_process_keeps_the_older_file_and_its_temporary_file_is_removed_at_once(
    serve: Serve, fetch: Fetch, tmp_path: Path, older: bytes | None
) -> None:
    """D1, D6: kill -9 in the middle of a file."""
    path = tmp_path / "a.wav"
    if older is not None:
        path.write_bytes(older)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\nContent-Type: audio/wav\r\n\r\n"
    piece = WAV[:262144] + WAV[:262144]
    with serve_stream(head, piece, times=64, hang_after=16) as (port, _):
        url = f"http://127.0.0.1:{port}/m"
        with start_children(url, path) as processes:
            release(processes)
            end = time.monotonic() + 20
            while not any(each.stat().st_size for each in tmp_path.glob(".*.part")):
                assert time.monotonic() < end
                time.sleep(0.01)
            os.kill(processes[0].pid, signal.SIGKILL)
            processes[0].wait()
    assert (path.read_bytes() if path.exists() else None) == older
    assert list(tmp_path.glob(".*.part"))
    origin, _ = serve(build_reply())
    fetch(origin + "/m", path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == WAV


def test_full_disk_is_a_typed_error(serve: Serve, tmp_path: Path) -> None:
    """D6: a real one, through the kernel's limit on the size of a file."""
    origin, _ = serve(build_reply())
    path = tmp_path / "a.wav"
    path.write_bytes(b"older")
    with start_children(origin + "/m", path, limit=100_000) as (process,):
        release([process])
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "StorageError"
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_large_file_needs_little_memory(fetch: Fetch, tmp_path: Path) -> None:
    size, piece = 200 * 1024 * 1024, WAV[:44] + bytes(1024 * 1024 - 44)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nContent-Type: audio/wav\r\n\r\n"
    with serve_stream(head.encode(), piece, times=200) as (port, _):
        tracemalloc.start()
        try:
            fetched = fetch(f"http://127.0.0.1:{port}/m", tmp_path / "a.wav", size=size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert fetched.size == (tmp_path / "a.wav").stat().st_size == size
    assert peak < 16 * 1024 * 1024
