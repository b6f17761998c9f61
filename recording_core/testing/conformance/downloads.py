"""Requirements for downloads: complete files or none, for any reply of the media host."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.download.formats import FORMATS
from recording_core.download.lengths import can_read_length
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    check_types,
    state_requirement,
)
from recording_core.testing.conformance.replies import (
    EXPIRED_LINKS,
    MEDIA_FAILURES,
    build_odd_media,
)
from recording_core.testing.emulator.media import MEDIA_TYPES, build_media
from recording_core.testing.emulator.server import Reply

#: In seconds of real time.
_SHORT_TIMEOUT = rec.HttpSettings(retries=0, read_timeout=0.3)


class DownloadRequirements(ConformanceBase):
    """Requirements for `download`, of listed recordings and of new ones."""

    def test_an_available_recording_is_downloaded_completely(self, tmp_path: Path) -> None:
        for recording in self._find_downloadable():
            with state_requirement(
                f"download of {recording.id} writes each file completely and returns a Copy of each"
            ):
                directory = tmp_path / hashlib.sha256(recording.id.encode()).hexdigest()[:8]
                copies = self.provider.download(recording, directory)
                assert copies, "download returned no Copy"
                if recording.files:
                    copied = [copy.file.id for copy in copies]
                    expected = [file.id for file in recording.files]
                    assert copied == expected, f"the copies are of {copied}, not of {expected}"
                _check_copies(copies, recording, directory)

    def test_a_new_recording_is_downloaded_by_its_id(self, tmp_path: Path) -> None:
        for target in self.find_live_targets(rec.Operation.GET, rec.Operation.DOWNLOAD):
            with state_requirement(f"{target.kind} download takes the id of a new recording"):
                recordings = self.record_once(target).recordings
                ready = [
                    each for each in recordings if each.status is rec.RecordingStatus.AVAILABLE
                ]
                assert ready, (
                    f"no recording is available within {self.processing_timeout} after the stop: "
                    f"{recordings}"
                )
                for recording in ready:
                    directory = tmp_path / target.kind
                    copies = self.provider.download(recording.id, directory, target=target)
                    _check_copies(copies, recording, directory)

    def test_a_running_recording_is_not_ready(self, tmp_path: Path) -> None:
        for target in self.find_live_targets(rec.Operation.DOWNLOAD):
            session = self.begin(self.provider, target)
            if session.id is not None:
                with (
                    state_requirement(
                        f"{target.kind} download raises NotReady or NotFound while it records"
                    ),
                    pytest.raises((rec.NotReady, rec.NotFound)),
                ):
                    self.provider.download(session.id, tmp_path, target=target)
                _check_empty(tmp_path)

    def test_bad_media_raises_a_typed_error_and_leaves_no_file(self, tmp_path: Path) -> None:
        self._check_bad_media(self.provider, tmp_path, stalling=False)

    def test_media_that_stalls_raises_a_typed_error_and_leaves_no_file(
        self, tmp_path: Path
    ) -> None:
        with self.vendor.connect(http=_SHORT_TIMEOUT) as impatient:
            self._check_bad_media(impatient, tmp_path, stalling=True)

    def _check_bad_media(self, provider: rec.Provider, directory: Path, *, stalling: bool) -> None:
        for recording in _select_by_format(self._find_downloadable()):
            for what, reply in MEDIA_FAILURES.items():
                if bool(reply.stall) is not stalling:
                    continue
                with state_requirement(
                    f"download of a {recording.format} file raises a DownloadError or "
                    f"ProviderError and leaves no file if the media host sends {what}"
                ):
                    self.vendor.media_faults.extend([reply] * 100)
                    with pytest.raises(rec.RecordingError) as caught:
                        provider.download(recording, directory)
                    self.vendor.media_faults.clear()
                    assert isinstance(caught.value, rec.DownloadError | rec.ProviderError), (
                        f"download raised {caught.value!r}"
                    )
                    _check_empty(directory)

    def test_media_over_the_limit_raises_a_typed_error_and_leaves_no_file(
        self, tmp_path: Path
    ) -> None:
        with self.vendor.connect(http=rec.HttpSettings(max_media_bytes=100)) as limited:
            for recording in _select_by_format(self._find_downloadable()):
                with (
                    state_requirement(
                        f"download of a {recording.format} file raises TooLarge if it is longer "
                        "than HttpSettings.max_media_bytes, and leaves no file"
                    ),
                    pytest.raises(rec.TooLarge),
                ):
                    limited.download(recording, tmp_path)
                _check_empty(tmp_path)

    def test_a_download_succeeds_after_a_temporary_error(self, tmp_path: Path) -> None:
        for recording in _select_by_format(self._find_downloadable()):
            before = self.provider.download(recording, tmp_path / "before")
            for what in ("HTTP 500", "a closed connection", "a body that is truncated at once"):
                with state_requirement(
                    f"download succeeds if the media host sends {what} only once"
                ):
                    self.vendor.media_faults.append(MEDIA_FAILURES[what])
                    after = self.provider.download(recording, tmp_path / "after")
                    assert not self.vendor.media_faults, "no request reached the media host"
                    _check_copies(after, recording, tmp_path / "after")
                    assert [copy.sha256 for copy in after] == [copy.sha256 for copy in before], (
                        f"the bytes differ from a download without {what}"
                    )

    def test_whole_media_in_an_unusual_reply_is_downloaded(self, tmp_path: Path) -> None:
        for recording in self._find_single_files():
            (before,) = self.provider.download(recording, tmp_path)
            for what, reply in build_odd_media(before.path.read_bytes()).items():
                with state_requirement(
                    f"download of a {recording.format} file succeeds if the media host sends {what}"
                ):
                    self.vendor.media_faults.append(reply)
                    copies = self.provider.download(recording, tmp_path)
                    assert not self.vendor.media_faults, "no request reached the media host"
                    _check_copies(copies, recording, tmp_path)
                    check_equal("copy.sha256", copies[0].sha256, before.sha256)

    def test_media_of_another_format_is_kept_with_a_doubt(self, tmp_path: Path) -> None:
        for recording in self._find_single_files():
            format = recording.files[0].format
            if format not in FORMATS:
                continue
            other = "wav" if format != "wav" else "webm"
            with state_requirement(
                f"download of a {format} file that is {other} keeps it as {other}, with a doubt"
            ):
                body = build_media(other, recording.duration or timedelta(seconds=10))
                copy = self._download_other(recording, body, tmp_path)
                check_equal("the extension of the copy", copy.path.suffix, f".{other}")
                check_equal("the bytes of the copy", copy.path.read_bytes(), body)
                assert copy.doubts, "copy.doubts is empty"
                assert not copy.verified, "copy.verified is true"

    def test_media_that_is_too_short_is_not_verified(self, tmp_path: Path) -> None:
        for recording in self._find_single_files():
            (file,) = recording.files
            if recording.duration and recording.duration != _measure(recording):
                with state_requirement(
                    "a duration that the vendor reports is also in MediaFile.duration, with which "
                    "the copy is compared"
                ):
                    assert file.duration, f"file.duration is {file.duration} for {recording.id}"
            if not file.duration or file.duration < timedelta(seconds=5):
                continue
            if file.format not in MEDIA_TYPES:
                continue
            with state_requirement(
                f"a copy of a {file.format} file of less than the duration that the vendor "
                "reports has a doubt"
            ):
                body = build_media(file.format, timedelta(seconds=1))
                copy = self._download_other(recording, body, tmp_path)
                assert copy.doubts, f"copy.doubts is empty, with {file.duration} at the vendor"
                assert not copy.verified, "copy.verified is true"

    def test_an_expired_link_is_renewed_once(self, tmp_path: Path) -> None:
        self.require_declared(rec.Operation.GET)
        for recording in self._find_single_files():
            if (recording.files[0].url or "").startswith(f"{self.vendor.origin}/"):
                continue  # a URL of the API itself does not expire
            for what, reply in EXPIRED_LINKS.items():
                with state_requirement(f"download renews a link once that answers {what}"):
                    self.vendor.media_faults.append(reply)
                    copies = self.provider.download(recording, tmp_path)
                    assert not self.vendor.media_faults, "no request reached the media host"
                    _check_copies(copies, recording, tmp_path)

    def test_each_offered_format_is_downloaded_and_another_raises_before_any_request(
        self, tmp_path: Path
    ) -> None:
        recording = self._find_downloadable()[0]
        for format in self.provider.download_formats:
            with state_requirement(f"download(format={format!r}) stores each file in that format"):
                copies = self.provider.download(recording, tmp_path / format, format=format)
                found = {(copy.file.format, copy.path.suffix) for copy in copies}
                check_equal("the formats", found, {(format, f".{format}")})
                doubts = [doubt for copy in copies for doubt in copy.doubts]
                assert not doubts, f"copy.doubts is {doubts}"
        for kind in rec.SessionKind:
            if not self.provider.can(rec.Operation.DOWNLOAD, kind):
                continue
            with (
                self.forbid_requests(
                    "download with a format that is not in download_formats raises"
                ),
                pytest.raises(rec.UnsupportedOperation),
            ):
                self.provider.download(
                    recording.id,
                    tmp_path,
                    target=rec.CommunicationSession(kind, "some-id"),
                    format="no-such-format",
                )

    def _download_other(self, recording: rec.Recording, body: bytes, directory: Path) -> rec.Copy:
        """Download a recording's only file, in place of which the media host sends a body."""
        (file,) = recording.files
        changed = evolve(recording, files=(evolve(file, size=None, checksum=None),))
        self.vendor.media_faults.append(Reply(200, body))
        (copy,) = self.provider.download(changed, directory)
        assert not self.vendor.media_faults, "no request reached the media host"
        return copy

    def _find_single_files(self) -> list[rec.Recording]:
        """Return a recording of each format that has one file; skip without one."""
        # A file without a URL is unpacked from another one, by a provider's own `_download`.
        found = [each for each in self._find_downloadable() if len(each.files) == 1]
        found = [each for each in found if each.files[0].url is not None]
        if not found:
            pytest.skip("no recording has one file that is fetched as it is")
        return _select_by_format(found)

    def _find_downloadable(self) -> list[rec.Recording]:
        """Return up to twelve listed recordings with media."""
        self.require_declared(rec.Operation.LIST, rec.Operation.DOWNLOAD)
        kinds = [kind for kind, each in self.provider.info if each is rec.Operation.DOWNLOAD]
        # `download` follows `Recording.files`, unless a provider overrides it.
        needs_files = type(self.provider)._download is rec.Provider._download
        found = [
            each
            for each in self.list_all(status=rec.RecordingStatus.AVAILABLE)
            if each.kind in (None, *kinds) and (each.files or not needs_files)
        ]
        assert found, (
            "the emulator lists no available recording with files: add some in Emulator.populate"
        )
        return found[:12]


def _select_by_format(recordings: list[rec.Recording]) -> list[rec.Recording]:
    """Return one recording of each format."""
    return list({each.format: each for each in recordings}.values())


def _check_copies(copies: tuple[rec.Copy, ...], recording: rec.Recording, directory: Path) -> None:
    for copy in copies:
        check_types(copy)
        name, data = copy.path.name, copy.path.read_bytes()
        assert data, f"{name} is empty"
        check_equal(f"copy.sha256 of {name}", copy.sha256, hashlib.sha256(data).hexdigest())
        check_equal(f"copy.size of {name}", copy.size, len(data))
        check_equal("copy.recording_id", copy.recording_id, recording.id)
        # A duration that cannot be compared, as without tinytag, is a doubt.
        if not copy.file.duration or can_read_length(copy.path.suffix.removeprefix(".")):
            assert copy.verified, (
                f"{name} is not verified: copy.checks is {copy.checks}, copy.doubts is "
                f"{copy.doubts}"
            )
        check_equal("loads(dumps(copy))", rec.loads(rec.dumps(copy), rec.Copy), copy)
    found = {path.name for path in directory.iterdir()}
    assert {copy.path.name for copy in copies} <= found, f"the directory holds only {found}"
    temporary = [name for name in found if name.startswith(".")]
    assert not temporary, f"download left temporary files: {temporary}"


def _measure(recording: rec.Recording) -> timedelta | None:
    """Compute the duration from the recording's times, as a mapping may."""
    if recording.started_at is None or recording.ended_at is None:
        return None
    return recording.ended_at - recording.started_at


def _check_empty(directory: Path) -> None:
    found = sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
    assert not found, f"download left files: {', '.join(found)}"
