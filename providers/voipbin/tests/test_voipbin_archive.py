"""What becomes of a ZIP that was made to do harm? A typed error, and nothing on the disk."""

from __future__ import annotations

import io
import random
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import ManualClock
from recording_core.testing.emulator.media import build_mp3, build_wav
from recording_voipbin import mapping
from recording_voipbin.archive import open_archive
from recording_voipbin.emulator import VoIPBinEmulator

FACTS = {"provider": "voipbin", "recording_id": "r1"}
WAV = build_wav(3.0)
NAME = "call_531bc6f4-c695-4c6d-a478-f28b88dfc2ca_2026-08-22T05:31:45Z_{}.wav"
IN, OUT = NAME.format("in"), NAME.format("out")
MANY = 1 << 40


def entry(name: str, *, mode: int = 0, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # past the constructor, which tidies up
    info.external_attr = mode << 16
    info.compress_type = method
    return info


def zipped(*parts: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for info, content in parts:
            archive.writestr(entry(info) if isinstance(info, str) else info, content)
    return out.getvalue()


def patched(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Those bytes of each header of that kind replaced."""
    out, start = bytearray(data), 0
    while (start := data.find(signature, start)) >= 0:
        out[start + at : start + at + len(value)] = value
        start += 4
    return bytes(out)


LOCAL, DIRECTORY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
GOOD = zipped((IN, WAV), (OUT, WAV))
FLAGGED = patched(patched(GOOD, LOCAL, 6, b"\x01\x00"), DIRECTORY, 8, b"\x01\x00")
CLAIMS = struct.pack("<I", 0xF0000000)
BOMB = WAV[:44] + bytes(50_000_000)


def overlapping() -> bytes:
    """Sixteen entries of one and the same compressed stream."""
    first = zipped(("a.wav", WAV))
    split, end = first.index(DIRECTORY), first.index(END)
    head, tail = first[split:end], bytearray(first[end:])
    heads = b"".join(head.replace(b"a.wav", b"%c.wav" % (97 + n)) for n in range(16))
    tail[8:16] = struct.pack("<HHI", 16, 16, len(heads))
    return first[:split] + heads + tail


#: What makes it hostile -> the archive, and what is raised.
HOSTILE: Mapping[str, tuple[bytes, type[rec.DownloadError]]] = {
    "an absolute name": (zipped(("/etc/cron.d/x", WAV), (OUT, WAV)), rec.NotMedia),
    "a name that climbs": (zipped(("../../x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a name that is ..": (zipped(("..", WAV), (OUT, WAV)), rec.NotMedia),
    "a drive": (zipped(("C:x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "backslashes": (zipped(("..\\x.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a folder": (zipped(("x/", b""), (OUT, WAV)), rec.NotMedia),
    "a line break": (zipped(("a\nb.wav", WAV), (OUT, WAV)), rec.NotMedia),
    "a NUL": (patched(zipped(("ab.wav", WAV), (OUT, WAV)), b"ab.wav", 1, b"\0"), rec.NotMedia),
    "no name": (zipped(("", WAV), (OUT, WAV)), rec.NotMedia),
    "a symbolic link": (
        zipped((entry(IN, mode=stat.S_IFLNK | 0o777), b"/etc/passwd"), (OUT, WAV)),
        rec.NotMedia,
    ),
    "a device": (zipped((entry(IN, mode=stat.S_IFCHR | 0o666), WAV), (OUT, WAV)), rec.NotMedia),
    "two of one name": (
        zipped(("a.wav", WAV), ("b.wav", WAV)).replace(b"b.wav", b"a.wav"),
        rec.NotMedia,
    ),
    "encryption": (FLAGGED, rec.NotMedia),
    "another compression": (
        zipped((entry(IN, method=zipfile.ZIP_LZMA), WAV), (OUT, WAV)),
        rec.NotMedia,
    ),
    "a compression of tomorrow": (patched(GOOD, DIRECTORY, 10, b"\x63\x00"), rec.NotMedia),
    "a claim of 4 GB": (patched(GOOD, DIRECTORY, 24, CLAIMS), rec.NotMedia),
    "a bomb by ratio": (zipped((IN, BOMB), (OUT, WAV)), rec.NotMedia),
    "a bomb in each": (zipped((IN, BOMB), (OUT, BOMB)), rec.NotMedia),
    "one stream of many names in it": (overlapping(), rec.NotMedia),
    "17 entries": (zipped(*[(f"{n}.wav", WAV) for n in range(17)]), rec.NotMedia),
    "3000 entries": (zipped(*[(f"{n}.wav", b"") for n in range(3000)]), rec.NotMedia),
    "60000 entries": (zipped(*[(f"{n}.wav", b"") for n in range(60_000)]), rec.NotMedia),
    "a zip in it": (zipped((IN, GOOD), (OUT, WAV)), rec.NotMedia),
    "an mp3 in it": (zipped((IN, build_mp3(60.0)), (OUT, WAV)), rec.NotMedia),
    "a page in it": (zipped((IN, b"<html>" + bytes(600)), (OUT, WAV)), rec.NotMedia),
    "no bytes in it": (zipped((IN, b""), (OUT, WAV)), rec.Truncated),
    "half of it": (GOOD[: len(GOOD) // 2], rec.Truncated),
    "all but its end": (GOOD[:-22], rec.Truncated),
    "other bytes than announced": (
        patched(GOOD, DIRECTORY, 16, b"\1\2\3\4"),
        rec.ChecksumMismatch,
    ),
    "other names outside than inside": (patched(GOOD, LOCAL, 30, b"X"), rec.NotMedia),
    "a stream that is none": (patched(GOOD, LOCAL, 30 + len(IN), b"\xff" * 20), rec.NotMedia),
    "no ZIP": (b"RIFF" + bytes(600), rec.NotMedia),
    "the mark of a ZIP alone": (LOCAL + bytes(600), rec.Truncated),
    "an end that points elsewhere": (patched(GOOD, END, 12, b"\xff" * 8), rec.Truncated),
}
#: Of these the directory tells.
BY_THE_DIRECTORY = [
    what
    for what, (data, _) in HOSTILE.items()
    if not what.endswith((" in it", "inside", "announced", "is none")) and what != "no ZIP"
]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    def open_(data: bytes, most_bytes: int = 10_000_000) -> Any:
        path = tmp_path / "x.zip"
        path.write_bytes(data)
        return open_archive(path, most_bytes=most_bytes, facts=FACTS)

    return open_


class TestOpening:
    def test_a_good_one_gives_its_entries_and_their_bytes(self, opened: Any) -> None:
        with opened(GOOD) as archive:
            assert [each.filename for each in archive.entries] == [IN, OUT]
            assert [b"".join(archive.chunks(each)) for each in archive.entries] == [WAV, WAV]

    def test_an_empty_one_has_none(self, opened: Any) -> None:
        data = zipped()
        assert len(data) == 22
        with opened(data) as archive:
            assert list(archive.entries) == []

    @pytest.mark.parametrize("what", BY_THE_DIRECTORY)
    def test_its_directory_is_judged_before_anything_is_unpacked(
        self, opened: Any, what: str
    ) -> None:
        data, error = HOSTILE[what]
        with pytest.raises(error) as caught, opened(data):
            pass
        assert str(caught.value).startswith("voipbin r1: ")
        assert "/etc" not in str(caught.value), "a stranger's name is not quoted"

    def test_a_huge_directory_costs_little_memory(self, opened: Any) -> None:
        data, _ = HOSTILE["60000 entries"]
        assert len(data) > 5_000_000
        tracemalloc.start()
        try:
            with pytest.raises(rec.NotMedia), opened(data):
                pass
            assert tracemalloc.get_traced_memory()[1] < 2_000_000
        finally:
            tracemalloc.stop()

    def test_an_entry_that_is_shorter_than_it_claims_breaks_off(self, opened: Any) -> None:
        data = patched(zipped((IN, WAV)), DIRECTORY, 24, struct.pack("<I", len(WAV) + 1))
        with (
            opened(data) as archive,
            pytest.raises(rec.DownloadError),
        ):
            list(archive.chunks(archive.entries[0]))

    def test_any_byte_of_it_may_be_wrong(self, opened: Any) -> None:
        """P1: a `DownloadError`, and no fault of the disk's."""
        chance = random.Random(1)
        base = zipped((IN, build_wav(0.2)), (OUT, build_wav(0.1)))
        for _ in range(2000):
            data = bytearray(base)
            for _ in range(chance.choice((1, 2, 9))):
                place = chance.randrange(len(data) - chance.choice((0, len(data) - 250)))
                data[-1 - place] = chance.choice((0, 1, 128, 255, chance.randrange(256)))
            del data[len(data) - chance.choice((0, 0, 0, 30)) :]
            try:
                with opened(bytes(data)) as archive:
                    for each in archive.entries:
                        assert len(b"".join(archive.chunks(each))) == each.file_size
            except (rec.NotMedia, rec.Truncated, rec.ChecksumMismatch):
                pass

    def test_a_caller_may_break_off_between_two_pieces(self, opened: Any) -> None:
        def enough() -> None:
            raise rec.Unavailable("enough")

        with opened(GOOD) as archive, pytest.raises(rec.Unavailable):
            next(archive.chunks(archive.entries[0], enough))

    def test_an_error_of_the_callers_stays_his(self, opened: Any) -> None:
        with pytest.raises(KeyError), opened(GOOD):
            raise KeyError

    def test_an_archive_that_vanished_is_the_disks_fault(self, tmp_path: Path) -> None:
        with (
            pytest.raises(rec.StorageError),
            open_archive(tmp_path / "gone.zip", most_bytes=1, facts=FACTS),
        ):
            pass


class TestPairing:
    def paired(self, opened: Any, entries: list[str], names: list[str]) -> list[str]:
        files = [mapping.leg(str(n), name, None) for n, name in enumerate(names)]
        with opened(zipped(*[(name, WAV) for name in entries])) as archive:
            return [each.filename for each in archive.paired(files)]

    def test_by_name(self, opened: Any) -> None:
        assert self.paired(opened, [OUT, IN], [IN, OUT]) == [IN, OUT]
        assert self.paired(opened, [OUT, "more.wav", IN], [OUT, IN]) == [OUT, IN]

    def test_by_the_order_of_names_where_the_archive_has_others(self, opened: Any) -> None:
        assert self.paired(opened, ["b_out.wav", "b_in.wav"], [IN, OUT]) == [
            "b_in.wav",
            "b_out.wav",
        ]
        assert self.paired(opened, ["b_in.wav", "b_out.wav"], [OUT, IN]) == [
            "b_out.wav",
            "b_in.wav",
        ]

    def test_two_files_of_one_name_are_not_the_same_entry_twice(self, opened: Any) -> None:
        assert self.paired(opened, [IN, OUT], [IN, IN]) == [IN, OUT]

    def test_not_at_all_where_there_are_others_and_more(self, opened: Any) -> None:
        with pytest.raises(rec.NotMedia, match="3 entries"):
            self.paired(opened, ["1.wav", "2.wav", "3.wav"], [IN, OUT])


# -- from the media host to the disk --------------------------------------------------------------


@pytest.fixture
def emulator() -> Iterator[VoIPBinEmulator]:
    with VoIPBinEmulator(clock=ManualClock()) as emulator:
        yield emulator


@pytest.mark.parametrize("storage", ["tells", "is silent"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_leaves_nothing_behind(
    emulator: VoIPBinEmulator, tmp_path: Path, what: str, storage: str
) -> None:
    data, _ = HOSTILE[what]
    id = emulator.add()
    emulator.zip_override = data
    emulator.storage_forbidden = storage == "is silent"
    copies = tmp_path / "out"
    with emulator.connect() as voipbin:
        with pytest.raises(rec.DownloadError):
            voipbin.download(id, copies)
        assert list(copies.iterdir()) == []
        assert list(tmp_path.iterdir()) == [copies]


def test_what_stood_there_before_a_hostile_archive_stands(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    with emulator.connect() as voipbin:
        before = {copy.path: copy.path.read_bytes() for copy in voipbin.download(id, tmp_path)}
        emulator.zip_override = HOSTILE["a page in it"][0]
        with pytest.raises(rec.NotMedia):
            voipbin.download(id, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_good_first_leg_is_not_left_without_the_second(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    emulator.storage_forbidden = True
    emulator.zip_override = zipped((IN, WAV), (OUT, b"<html>" + bytes(600)))
    with emulator.connect() as voipbin, pytest.raises(rec.NotMedia):
        voipbin.download(id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_costs_little_disk_and_memory(emulator: VoIPBinEmulator, tmp_path: Path) -> None:
    id = emulator.add()
    emulator.zip_override = zipped((IN, BOMB), (OUT, WAV))
    with emulator.connect() as voipbin:
        tracemalloc.start()
        try:
            with pytest.raises(rec.NotMedia, match=r"claims to be 50\d+ bytes"):
                voipbin.download(id, tmp_path)
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()


def test_what_is_not_unpacked_in_time_leaves_nothing_behind(
    emulator: VoIPBinEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout=` bounds the whole: also a slow disk, when all bytes have come."""
    limit = timedelta(seconds=1.0)

    def slowly(*args: Any, **more: Any) -> Any:
        time.sleep(limit.total_seconds())
        return open_archive(*args, **more)

    monkeypatch.setattr("recording_voipbin.client.open_archive", slowly)
    id = emulator.add()
    with emulator.connect() as voipbin, pytest.raises(rec.Unavailable, match="unpacked within 1 s"):
        voipbin.download(id, tmp_path, timeout=limit)
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_storage_names_are_refused(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    emulator.zip_override = zipped((IN, build_wav(61.0)), (OUT, build_wav(61.0)))
    with emulator.connect() as voipbin, pytest.raises(rec.ChecksumMismatch):
        voipbin.download(id, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_names_in_another_order_gives_each_leg_its_own(
    emulator: VoIPBinEmulator, tmp_path: Path
) -> None:
    id = emulator.add()
    with emulator.connect() as voipbin:
        first = {copy.file.name: copy.sha256 for copy in voipbin.download(id, tmp_path)}
        contents = {
            copy.file.name or "": copy.path.read_bytes() for copy in voipbin.download(id, tmp_path)
        }
        emulator.zip_override = zipped(*reversed(contents.items()))
        again = {copy.file.name: copy.sha256 for copy in voipbin.download(id, tmp_path)}
    assert first == again
    assert len(set(first.values())) == 2
