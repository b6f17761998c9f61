"""Does a download leave whole files and nothing else, whatever the media host does?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from recording_core import (
    Copy,
    DownloadError,
    HttpSettings,
    NotFound,
    NotReady,
    Operation,
    Provider,
    ProviderError,
    Recording,
    RecordingError,
    RecordingStatus,
    dumps,
    loads,
)
from recording_core.testing.conformance.base import ConformanceBase, carrying, horizon, promising
from recording_core.testing.conformance.documented_types import undocumented
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply

__all__ = ["DownloadRequirements"]

_HTML = {"Content-Type": "text/html"}
_AUDIO = {"Content-Type": "audio/wav"}
#: Seconds that are really waited.
_IMPATIENT = HttpSettings(retries=0, read_timeout=0.3)

#: What the media host answers, each time that it is asked.
BAD_MEDIA: Mapping[str, Reply] = {
    "HTTP 500": Reply(500),
    "HTTP 404": Reply(404, b"{}", {"Content-Type": "application/json"}),
    "HTTP 401": Reply(401),
    "HTTP 403": Reply(403, b"<Error>", {"Content-Type": "application/xml"}),
    "HTTP 429": Reply(429),
    "HTML with 200": Reply(200, b"<html>Sign in</html>", _HTML),
    "JSON with 200": Reply(200, b'{"error": "gone"}', {"Content-Type": "application/json"}),
    "HTML that claims to be audio": Reply(200, b"<!doctype html><p>" + b"x" * 600, _AUDIO),
    "no bytes with 200": Reply(200, b"", _AUDIO),
    "a connection that is cut": Reply(abort=True),
    "headers that are cut": Reply(200, bytes(5000), _AUDIO, cut_headers=True),
    "a body that is cut at once": Reply(200, bytes(5000), _AUDIO, cut_after=0),
    "no body in time": Reply(200, bytes(5000), _AUDIO, stall="body", stall_seconds=5),
    "a redirect without end": Reply(302, headers={"Location": "/again"}),
    "a redirect to another protocol": Reply(302, headers={"Location": "file:///etc/passwd"}),
}


class DownloadRequirements(ConformanceBase):
    """`download`, for what the emulator lists and for what is recorded now."""

    def test_what_is_available_is_copied_whole(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        for recording in self._downloadable(provider, emulator):
            with promising(f"download of {recording.id}: whole files, and a Copy of each"):
                directory = tmp_path / hashlib.sha256(recording.id.encode()).hexdigest()[:8]
                copies = provider.download(recording, directory)
                assert copies, "no Copy came back"
                if recording.files:
                    got = [copy.file.id for copy in copies]
                    assert got == [file.id for file in recording.files], f"copies of {got}"
                _are_whole(copies, recording, directory)

    def test_what_was_recorded_now_can_be_copied(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        wanted = (Operation.START, Operation.STOP, Operation.GET, Operation.DOWNLOAD)
        for target in carrying(emulator, provider.info, *wanted):
            with promising(f"{target.kind} download: of what was recorded, by its id alone"):
                recordings = self.made(provider, emulator, target).recordings
                ready = [each for each in recordings if each.status is RecordingStatus.AVAILABLE]
                assert ready, f"not available after `settle`: {recordings}"
                for recording in ready:
                    directory = tmp_path / target.kind
                    copies = provider.download(recording.id, directory, target=target)
                    _are_whole(copies, recording, directory)

    def test_what_is_still_recorded_is_not_ready(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.DOWNLOAD):
            session = self.begin(provider, target)
            if session.id is not None:
                with (
                    promising(f"{target.kind} download: NotReady or NotFound while it records"),
                    pytest.raises((NotReady, NotFound)),
                ):
                    provider.download(session.id, tmp_path, target=target)
                _is_empty(tmp_path)

    def test_bad_media_is_a_typed_error_and_leaves_nothing(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        bad = {what: reply for what, reply in BAD_MEDIA.items() if not reply.stall}
        some = self._downloadable(provider, emulator)
        self._leaves_nothing(provider, emulator, tmp_path, bad, some)

    def test_silent_media_is_a_typed_error_and_leaves_nothing(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        silent = {what: reply for what, reply in BAD_MEDIA.items() if reply.stall}
        some = self._downloadable(provider, emulator)
        with emulator.connect(http=_IMPATIENT) as impatient:
            self._leaves_nothing(impatient, emulator, tmp_path, silent, some)

    def _leaves_nothing(
        self,
        provider: Provider,
        emulator: Emulator,
        directory: Path,
        bad: Mapping[str, Reply],
        recordings: list[Recording],
    ) -> None:
        for recording in _one_of_each_format(recordings):
            for what, reply in bad.items():
                with promising(f"download of a {recording.format} file, answered by {what}"):
                    emulator.media_faults.extend([reply] * 20)
                    with pytest.raises(RecordingError) as caught:
                        provider.download(recording, directory)
                    emulator.media_faults.clear()
                    assert isinstance(caught.value, DownloadError | ProviderError), (
                        f"raised {caught.value!r}"
                    )
                    _is_empty(directory)

    def test_a_cut_that_passes_is_mended(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        for recording in _one_of_each_format(self._downloadable(provider, emulator)):
            before = provider.download(recording, tmp_path / "before")
            for what in ("HTTP 500", "a connection that is cut", "a body that is cut at once"):
                with promising(f"download after {what} once: whole all the same"):
                    emulator.media_faults.append(BAD_MEDIA[what])
                    after = provider.download(recording, tmp_path / "after")
                    assert not emulator.media_faults, "the media's port was not asked"
                    _are_whole(after, recording, tmp_path / "after")
                    assert [copy.sha256 for copy in after] == [copy.sha256 for copy in before], (
                        "other bytes than without the cut"
                    )

    def _downloadable(self, provider: Provider, emulator: Emulator) -> list[Recording]:
        """Some recordings of the listing whose media can be had."""
        if not (provider.can(Operation.DOWNLOAD) and provider.can(Operation.LIST)):
            pytest.skip("list and download are not both declared")
        kinds = [kind for kind, each in provider.info if each is Operation.DOWNLOAD]
        found = [
            each
            for each in provider.list(status=RecordingStatus.AVAILABLE, **horizon(emulator))
            if each.kind in (None, *kinds) and (each.files or not _says_files(provider))
        ]
        assert found, "the emulator lists no available recording with files: add some"
        return found[:12]


def _says_files(provider: Provider) -> bool:
    """Whether `files` tells what can be downloaded, as it does unless a provider overrides it."""
    return type(provider)._download is Provider._download


def _one_of_each_format(recordings: list[Recording]) -> list[Recording]:
    return list({each.format: each for each in recordings}.values())


def _are_whole(copies: tuple[Copy, ...], recording: Recording, directory: Path) -> None:
    for copy in copies:
        assert not (wrong := undocumented(copy)), wrong
        data = copy.path.read_bytes()
        assert data, f"{copy.path.name} is empty"
        assert hashlib.sha256(data).hexdigest() == copy.sha256, f"{copy.path.name}: wrong sha256"
        assert len(data) == copy.size, f"{copy.path.name} has {len(data)} bytes, not {copy.size}"
        assert copy.recording_id == recording.id, f"a copy of {copy.recording_id}"
        assert "unverified" not in copy.checks, f"nothing proves that it is whole: {copy.checks}"
        assert loads(dumps(copy), Copy) == copy, "loads(dumps(copy)) is another copy"
    left = {path.name for path in directory.iterdir()}
    assert {copy.path.name for copy in copies} <= left, f"the directory holds {left}"
    assert not [name for name in left if name.startswith(".")], f"left behind: {left}"


def _is_empty(directory: Path) -> None:
    left = sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
    assert not left, f"left behind: {', '.join(left)}"
