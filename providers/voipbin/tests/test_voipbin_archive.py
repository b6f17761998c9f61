"""Archive: a hostile or malformed ZIP raises a typed error, and leaves no file on the disk."""

from __future__ import annotations

import io
import random
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.plugin import build_mp3, build_wav
from recording_core.testing import Reply, Request
from recording_voipbin import mapping
from recording_voipbin.archive import open_archive
from recording_voipbin.emulator import VoIPBinEmulator

pytestmark = pytest.mark.emulator("voipbin")

FACTS = {"provider": "voipbin", "recording_id": "r1"}
WAV = build_wav(3.0)
NAME = "call_531bc6f4-c695-4c6d-a478-f28b88dfc2ca_2026-08-22T05:31:45Z_{}.wav"
IN, OUT = NAME.format("in"), NAME.format("out")


def build_entry(name: str, *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would change it
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def build_zip(*parts: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for info, content in parts:
            archive.writestr(build_entry(info) if isinstance(info, str) else info, content)
    return out.getvalue()


def replace_bytes(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Replace bytes at an offset in each header with this signature."""
    out, start = bytearray(data), 0
    while (start := data.find(signature, start)) >= 0:
        out[start + at : start + at + len(value)] = value
        start += 4
    return bytes(out)


LOCAL, DIRECTORY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
GOOD = build_zip((IN, WAV), (OUT, WAV))
FLAGGED = replace_bytes(replace_bytes(GOOD, LOCAL, 6, b"\x01\x00"), DIRECTORY, 8, b"\x01\x00")
DECLARED_SIZE = struct.pack("<I", 0xF0000000)
BOMB = WAV[:44] + bytes(50_000_000)


def build_overlapping_zip() -> bytes:
    """Build a ZIP with sixteen entries that share one compressed stream."""
    first = build_zip(("a.wav", WAV))
    split, end = first.index(DIRECTORY), first.index(END)
    head, tail = first[split:end], bytearray(first[end:])
    heads = b"".join(head.replace(b"a.wav", b"%c.wav" % (97 + n)) for n in range(16))
    tail[8:16] = struct.pack("<HHI", 16, 16, len(heads))
    return first[:split] + heads + tail


#: description -> a hostile archive, and the error that it raises
HOSTILE: Mapping[str, tuple[bytes, type[rec.DownloadError]]] = {
    "an absolute name": (build_zip(("/etc/cron.d/x", WAV), (OUT, WAV)), rec.NotMedia),
    "a name with parent folders": (build_zip(("../../x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "the name ..": (build_zip(("..", WAV), (OUT, WAV)), rec.NotMedia),
    "a name with a drive": (build_zip(("C:x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a name with backslashes": (build_zip(("..\\x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a folder": (build_zip(("x/", b""), (OUT, WAV)), rec.NotMedia),
    "a name with a line break": (build_zip(("a\nb.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a name with a NUL": (
        replace_bytes(build_zip(("ab.wav", WAV), (OUT, WAV)), b"ab.wav", 1, b"\0"),
        rec.NotMedia,
    ),
    "an empty name": (build_zip(("", WAV), (OUT, WAV)), rec.NotMedia),
    "a symbolic link": (
        build_zip((build_entry(IN, mode=stat.S_IFLNK | 0o777), b"/etc/passwd"), (OUT, WAV)),
        rec.NotMedia,
    ),
    "a device": (
        build_zip((build_entry(IN, mode=stat.S_IFCHR | 0o666), WAV), (OUT, WAV)),
        rec.NotMedia,
    ),
    "two entries with one name": (
        build_zip(("a.wav", WAV), ("b.wav", WAV)).replace(b"b.wav", b"a.wav"),
        rec.NotMedia,
    ),
    "encryption": (FLAGGED, rec.NotMedia),
    "LZMA compression": (
        build_zip((build_entry(IN, method=zipfile.ZIP_LZMA), WAV), (OUT, WAV)),
        rec.NotMedia,
    ),
    "an unknown compression": (replace_bytes(GOOD, DIRECTORY, 10, b"\x63\x00"), rec.NotMedia),
    "a declared size of 4 GB": (replace_bytes(GOOD, DIRECTORY, 24, DECLARED_SIZE), rec.NotMedia),
    "a ZIP bomb": (build_zip((IN, BOMB), (OUT, WAV)), rec.NotMedia),
    "a ZIP bomb in each entry": (build_zip((IN, BOMB), (OUT, BOMB)), rec.NotMedia),
    "overlapping entries in it": (build_overlapping_zip(), rec.NotMedia),
    "17 entries": (build_zip(*[(f"{n}.wav", WAV) for n in range(17)]), rec.NotMedia),
    "3000 entries": (build_zip(*[(f"{n}.wav", b"") for n in range(3000)]), rec.NotMedia),
    "60000 entries": (build_zip(*[(f"{n}.wav", b"") for n in range(60_000)]), rec.NotMedia),
    "an HTML page in it": (build_zip((IN, b"<html>" + bytes(600)), (OUT, WAV)), rec.NotMedia),
    "an empty file in it": (build_zip((IN, b""), (OUT, WAV)), rec.NotMedia),
    "the first half": (GOOD[: len(GOOD) // 2], rec.Truncated),
    "all but the end": (GOOD[:-22], rec.Truncated),
    "a wrong checksum": (
        replace_bytes(GOOD, DIRECTORY, 16, b"\1\2\3\4"),
        rec.ChecksumMismatch,
    ),
    "other names in the local headers": (replace_bytes(GOOD, LOCAL, 30, b"X"), rec.NotMedia),
    "an invalid stream": (replace_bytes(GOOD, LOCAL, 30 + len(IN), b"\xff" * 20), rec.NotMedia),
    "not a ZIP": (b"RIFF" + bytes(600), rec.NotMedia),
    "only the signature of a ZIP": (LOCAL + bytes(600), rec.Truncated),
    "an end with wrong offsets": (replace_bytes(GOOD, END, 12, b"\xff" * 8), rec.Truncated),
}
#: Those that the directory alone shows.
SHOWN_BY_DIRECTORY = [
    name
    for name in HOSTILE
    if not name.endswith((" in it", "local headers", "checksum", "stream", "not a ZIP"))
]


@pytest.fixture
def open_zip(tmp_path: Path) -> Callable[..., Any]:
    def open_data(data: bytes, max_bytes: int = 10_000_000) -> Any:
        path = tmp_path / "x.zip"
        path.write_bytes(data)
        return open_archive(path, max_bytes=max_bytes, facts=FACTS)

    return open_data


class TestOpening:
    def test_a_valid_zip_has_its_entries_and_their_bytes(self, open_zip: Any) -> None:
        with open_zip(GOOD) as archive:
            assert [each.filename for each in archive.entries] == [IN, OUT]
            assert [b"".join(archive.read_chunks(each)) for each in archive.entries] == [WAV, WAV]

    def test_an_empty_zip_has_no_entries(self, open_zip: Any) -> None:
        data = build_zip()
        assert len(data) == 22
        with open_zip(data) as archive:
            assert list(archive.entries) == []

    @pytest.mark.parametrize("name", SHOWN_BY_DIRECTORY)
    def test_the_directory_is_checked_before_anything_is_unpacked(
        self, open_zip: Any, name: str
    ) -> None:
        data, error = HOSTILE[name]
        with pytest.raises(error) as caught, open_zip(data):
            pass
        assert str(caught.value).startswith("voipbin r1: ")
        assert "/etc" not in str(caught.value), "names in the archive are not quoted"

    def test_a_huge_directory_needs_little_memory(self, open_zip: Any) -> None:
        data, _ = HOSTILE["60000 entries"]
        assert len(data) > 5_000_000
        tracemalloc.start()
        try:
            with pytest.raises(rec.NotMedia), open_zip(data):
                pass
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()

    def test_an_entry_that_is_shorter_than_its_declared_size_is_an_error(
        self, open_zip: Any
    ) -> None:
        data = replace_bytes(build_zip((IN, WAV)), DIRECTORY, 24, struct.pack("<I", len(WAV) + 1))
        with (
            open_zip(data) as archive,
            pytest.raises(rec.DownloadError),
        ):
            list(archive.read_chunks(archive.entries[0]))

    def test_random_changes_raise_only_documented_errors(self, open_zip: Any) -> None:
        """It raises a `DownloadError` that is not a `StorageError`."""
        generator = random.Random(1)
        base = build_zip((IN, build_wav(0.2)), (OUT, build_wav(0.1)))
        for _ in range(2000):
            data = bytearray(base)
            for _ in range(generator.choice((1, 2, 9))):
                place = generator.randrange(len(data) - generator.choice((0, len(data) - 250)))
                data[-1 - place] = generator.choice((0, 1, 128, 255, generator.randrange(256)))
            del data[len(data) - generator.choice((0, 0, 0, 30)) :]
            try:
                with open_zip(bytes(data)) as archive:
                    for each in archive.entries:
                        assert len(b"".join(archive.read_chunks(each))) == each.file_size
            except (rec.NotMedia, rec.Truncated, rec.ChecksumMismatch):
                pass

    def test_a_caller_may_stop_between_two_chunks(self, open_zip: Any) -> None:
        def stop() -> None:
            raise rec.Unavailable("stopped")

        with open_zip(GOOD) as archive, pytest.raises(rec.Unavailable):
            next(archive.read_chunks(archive.entries[0], stop))

    def test_an_error_of_the_caller_is_not_converted(self, open_zip: Any) -> None:
        with pytest.raises(KeyError), open_zip(GOOD):
            raise KeyError

    def test_a_missing_archive_is_a_storage_error(self, tmp_path: Path) -> None:
        with (
            pytest.raises(rec.StorageError),
            open_archive(tmp_path / "gone.zip", max_bytes=1, facts=FACTS),
        ):
            pass


class TestMatching:
    def match_names(self, open_zip: Any, entries: list[str], names: list[Any]) -> list[str]:
        files = [mapping.build_leg(str(n), name, None) for n, name in enumerate(names)]
        with open_zip(build_zip(*[(name, WAV) for name in entries])) as archive:
            matched = archive.match_files(files)
            return [matched[file].filename for file in files]

    def test_files_are_matched_by_name(self, open_zip: Any) -> None:
        assert self.match_names(open_zip, [OUT, IN], [IN, OUT]) == [IN, OUT]
        assert self.match_names(open_zip, [OUT, "more.wav", IN], [OUT, IN]) == [OUT, IN]

    def test_a_file_whose_name_is_unread_gets_the_entry_of_its_size(self, open_zip: Any) -> None:
        short = build_wav(1.0)
        with open_zip(build_zip((IN, WAV), (OUT, short))) as archive:
            for files, names in (
                ([("1", None, len(short)), ("2", None, len(WAV))], [OUT, IN]),
                ([("1", None, len(short)), ("2", IN, None)], [OUT, IN]),
            ):
                legs = [mapping.build_leg(*each) for each in files]
                matched = archive.match_files(legs)
                assert [matched[leg].filename for leg in legs] == names

    @pytest.mark.parametrize("entries", [["b_in.wav", "b_out.wav"], ["1.wav", "2.wav", "3.wav"]])
    def test_the_order_of_entries_is_no_evidence(self, open_zip: Any, entries: list[str]) -> None:
        for names in ([IN, OUT], [IN, IN], [None, None], [IN, None]):
            with pytest.raises(rec.NotMedia, match=f"{len(entries)} entries"):
                self.match_names(open_zip, entries, names)


# -- downloads ------------------------------------------------------------------------------------


def refuse(emulator: VoIPBinEmulator, part: str) -> None:
    """Refuse requests with this part in their path: without files, the archive is downloaded."""
    answer = emulator.answer
    error = {"status": "PERMISSION_DENIED", "reason": "PERMISSION_DENIED", "message": "Refused."}

    def answer_or_refuse(request: Request) -> Reply:
        refused = part in request.segments()
        return Reply.json({"error": error}, 403) if refused else answer(request)

    emulator.answer = answer_or_refuse  # type: ignore[method-assign]


@pytest.mark.parametrize("part", ["file", "storage_files"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_leaves_no_file(
    emulator: VoIPBinEmulator, tmp_path: Path, name: str, part: str
) -> None:
    data, _ = HOSTILE[name]
    id = emulator.add()
    emulator.zip_override = data
    refuse(emulator, part)
    copies = tmp_path / "out"
    with emulator.connect() as voipbin:
        with pytest.raises(rec.DownloadError):
            voipbin.download(id, copies)
        assert list(copies.iterdir()) == []
        assert list(tmp_path.iterdir()) == [copies]


def test_a_hostile_archive_leaves_existing_files_unchanged(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    refuse(emulator, "file")
    with emulator.connect() as voipbin:
        before = {copy.path: copy.path.read_bytes() for copy in voipbin.download(id, tmp_path)}
        emulator.zip_override = HOSTILE["an HTML page in it"][0]
        with pytest.raises(rec.NotMedia):
            voipbin.download(id, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("content", "extension"), [(GOOD, ".zip"), (build_mp3(60.0), ".mp3")])
def test_a_leg_of_another_format_is_kept_with_a_doubt(
    emulator: VoIPBinEmulator, tmp_path: Path, content: bytes, extension: str
) -> None:
    id = emulator.add()
    refuse(emulator, "storage_files")
    emulator.zip_override = build_zip((IN, content), (OUT, WAV))
    with emulator.connect() as voipbin:
        copies = voipbin.download(id, tmp_path)
    assert {copy.path.suffix: copy.verified for copy in copies} == {extension: False, ".wav": True}
    assert sorted(tmp_path.iterdir()) == sorted(copy.path for copy in copies)
    (other,) = (copy for copy in copies if copy.path.suffix == extension)
    assert other.path.read_bytes() == content


def test_a_valid_first_leg_is_not_stored_without_the_second(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    refuse(emulator, "storage_files")
    emulator.zip_override = build_zip((IN, WAV), (OUT, b"<html>" + bytes(600)))
    with emulator.connect() as voipbin, pytest.raises(rec.NotMedia):
        voipbin.download(id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_bomb_needs_little_disk_and_memory(emulator: VoIPBinEmulator, tmp_path: Path) -> None:
    id = emulator.add()
    refuse(emulator, "file")
    emulator.zip_override = build_zip((IN, BOMB), (OUT, WAV))
    with emulator.connect() as voipbin:
        tracemalloc.start()
        try:
            with pytest.raises(rec.NotMedia, match=r"declares a size of 50\d+ bytes"):
                voipbin.download(id, tmp_path)
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("part", ["file", "storage_files"])
@pytest.mark.parametrize("limit", [100, 3000])
def test_an_archive_and_its_legs_have_the_limit_of_media(
    emulator: VoIPBinEmulator, tmp_path: Path, part: str, limit: int
) -> None:
    """The archive is smaller than 3000 bytes, and its legs are larger."""
    id = emulator.add()
    refuse(emulator, part)
    emulator.zip_override = GOOD
    with emulator.connect() as voipbin:
        legs = [each.name or "" for each in voipbin.get(id).files] or [IN, OUT]
    emulator.zip_override = build_zip(*((name, bytes(WAV[:44]) + bytes(50_000)) for name in legs))
    assert 100 < len(emulator.zip_override) < 3000
    http = rec.HttpSettings(max_media_bytes=limit)
    with emulator.connect(http=http) as voipbin, pytest.raises(rec.TooLarge):
        voipbin.download(id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_unpacked_in_time_are_not_stored(
    emulator: VoIPBinEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout=` limits the whole download, including a slow disk after all bytes arrived."""
    limit = timedelta(seconds=1.0)

    def open_slowly(*args: Any, **more: Any) -> Any:
        time.sleep(limit.total_seconds())
        return open_archive(*args, **more)

    monkeypatch.setattr("recording_voipbin.client.open_archive", open_slowly)
    id = emulator.add()
    refuse(emulator, "file")
    with emulator.connect() as voipbin, pytest.raises(rec.Unavailable, match="unpacked within 1 s"):
        voipbin.download(id, tmp_path, timeout=limit)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_larger_than_its_stored_size_is_rejected(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    refuse(emulator, "file")
    with emulator.connect() as voipbin:
        names = [file.name or "" for file in voipbin.get(id).files]
        emulator.zip_override = build_zip(*((name, build_wav(61.0)) for name in names))
        with pytest.raises(rec.ChecksumMismatch):
            voipbin.download(id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_leg_gets_its_own_entry_in_any_order(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    refuse(emulator, "file")
    with emulator.connect() as voipbin:
        first = {copy.file.name: copy.sha256 for copy in voipbin.download(id, tmp_path)}
        contents = {
            copy.file.name or "": copy.path.read_bytes() for copy in voipbin.download(id, tmp_path)
        }
        emulator.zip_override = build_zip(*reversed(contents.items()))
        again = {copy.file.name: copy.sha256 for copy in voipbin.download(id, tmp_path)}
    assert first == again
    assert len(set(first.values())) == 2
