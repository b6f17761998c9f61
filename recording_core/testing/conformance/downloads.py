"""Requirements for downloads: complete files or none, for any reply of the media host."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.download.formats import FORMATS
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.conformance.copies import (
    check_copies,
    check_source,
    find_downloadable,
    read_path,
    select_by_shape,
)
from recording_core.testing.conformance.replies import (
    EXPIRED_LINKS,
    JSON,
    MEDIA_FAILURES,
    build_odd_media,
)
from recording_core.testing.conformance.world import measure
from recording_core.testing.emulator.media import MEDIA_TYPES, build_media
from recording_core.testing.emulator.server import Reply, Request

#: In seconds of real time.
_SHORT_TIMEOUT = rec.HttpSettings(retries=0, read_timeout=0.3)


class DownloadRequirements(ConformanceBase):
    """Requirements for `download`, of listed recordings and of new ones."""

    def test_an_available_recording_is_downloaded_completely(self, tmp_path: Path) -> None:
        recordings, answers = self.log_answers(lambda: find_downloadable(self))
        for recording in recordings:
            with state_requirement(
                f"download of {recording.id} writes each file completely and returns a Copy of each"
            ):
                directory = tmp_path / hashlib.sha256(recording.id.encode()).hexdigest()[:8]
                with self._log_media() as sent:
                    copies = self.provider.download(recording, directory)
                beside = [each.name for each in tmp_path.iterdir() if each != directory]
                assert not beside, f"download wrote {beside} outside of its directory"
                assert copies, "download returned no Copy"
                if recording.files:
                    copied = [copy.file.id for copy in copies]
                    expected = [file.id for file in recording.files]
                    assert copied == expected, f"the copies are of {copied}, not of {expected}"
                check_copies(copies, recording, directory)
                names = sorted(copy.path.name for copy in copies)
                found = sorted(each.name for each in directory.iterdir())
                check_equal("the files in the directory", found, names)
                for copy in copies:
                    check_source(copy, recording, sent, answers)
                shutil.rmtree(directory)

    def test_only_the_files_that_are_requested_are_downloaded(self, tmp_path: Path) -> None:
        for recording in select_by_shape(find_downloadable(self)):
            for file in recording.files:
                with state_requirement(f"download(files={file.id!r}) copies that file alone"):
                    directory = tmp_path / hashlib.sha256(recording.id.encode()).hexdigest()[:8]
                    copies = self.provider.download(recording, directory, files=file.id)
                    check_equal("the copies", [copy.file.id for copy in copies], [file.id])
                    check_copies(copies, recording, directory)

    def test_one_file_that_fails_ends_the_download(self, tmp_path: Path) -> None:
        """Also if it is the last one: its error carries the copies of the others."""
        for recording in select_by_shape(find_downloadable(self)):
            if len(recording.files) < 2 or None in (each.url for each in recording.files):
                continue
            path = read_path(recording.files[-1].url or "")
            directory = tmp_path / hashlib.sha256(recording.id.encode()).hexdigest()[:8]
            directory.mkdir()

            def refuse(request: Request, reply: Reply, path: str = path) -> Reply:
                return Reply(404, b"{}", JSON) if read_path(request.path) == path else reply

            with (
                state_requirement(
                    f"download raises if the media host has no file at the URL of "
                    f"{recording.files[-1].id}, the last of {len(recording.files)}"
                ),
                self._change_media(refuse),
                pytest.raises(rec.RecordingError) as caught,
            ):
                self.provider.download(recording, directory)
            copies = caught.value.copies
            assert recording.files[-1].id not in {copy.file.id for copy in copies}, (
                f"error.copies names the file that failed: {copies}"
            )
            found = {each.name for each in directory.iterdir()}
            check_equal("the files left", found, {copy.path.name for copy in copies})

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
                    check_copies(copies, recording, directory)

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
        for recording in _select_by_format(find_downloadable(self)):
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
            for recording in _select_by_format(find_downloadable(self)):
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
        for recording in _select_by_format(find_downloadable(self)):
            before = self.provider.download(recording, tmp_path / "before")
            for what in ("HTTP 500", "a closed connection", "a body that is truncated at once"):
                with state_requirement(
                    f"download succeeds if the media host sends {what} only once"
                ):
                    self.vendor.media_faults.append(MEDIA_FAILURES[what])
                    after = self.provider.download(recording, tmp_path / "after")
                    assert not self.vendor.media_faults, "no request reached the media host"
                    check_copies(after, recording, tmp_path / "after")
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
                    check_copies(copies, recording, tmp_path)
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
            if recording.duration and recording.duration != measure(recording):
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
                    check_copies(copies, recording, tmp_path)

    def test_each_offered_format_is_downloaded_and_another_raises_before_any_request(
        self, tmp_path: Path
    ) -> None:
        recording = find_downloadable(self)[0]
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

    @contextmanager
    def _change_media(self, change: Callable[[Request, Reply], Reply]) -> Iterator[None]:
        """Let a function change each reply that is not JSON, before it is sent."""

        def wrap(answer: Callable[[Request], Reply], request: Request) -> Reply:
            reply = answer(request)
            is_json = reply.headers.get("Content-Type", "").startswith("application/json")
            return reply if is_json else change(request, reply)

        vendor = self.vendor
        with (
            mock.patch.object(vendor, "answer", partial(wrap, vendor.answer)),
            mock.patch.object(vendor, "answer_media", partial(wrap, vendor.answer_media)),
        ):
            yield

    @contextmanager
    def _log_media(self) -> Iterator[list[tuple[str, Reply]]]:
        """Log the path and the reply of each request that is not answered with JSON."""
        sent: list[tuple[str, Reply]] = []

        def log(request: Request, reply: Reply) -> Reply:
            sent.append((read_path(request.path), reply))
            return reply

        with self._change_media(log):
            yield sent

    def _download_other(self, recording: rec.Recording, body: bytes, directory: Path) -> rec.Copy:
        """Download a recording's only file, in place of which the media host sends a body."""
        (file,) = recording.files
        changed = evolve(recording, files=(evolve(file, size=None, checksum=None),))
        self.vendor.media_faults.append(Reply(200, body))
        (copy,) = self.provider.download(changed, directory)
        assert not self.vendor.media_faults, "no request reached the media host"
        return copy

    def _find_single_files(self) -> list[rec.Recording]:
        """Return a recording of each format, with one file alone that is fetched as it is."""
        found = [
            evolve(recording, files=(file,), format=file.format)
            for recording in find_downloadable(self)
            for file in recording.files
            if file.url is not None
        ]
        if not found:
            skip_undeclared("a MediaFile with a url: the provider's `_download` unpacks all files")
        return _select_by_format(found)


def _select_by_format(recordings: list[rec.Recording]) -> list[rec.Recording]:
    """Return one recording of each format."""
    return list({each.format: each for each in recordings}.values())


def _check_empty(directory: Path) -> None:
    found = sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))
    assert not found, f"download left files: {', '.join(found)}"
