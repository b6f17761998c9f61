"""Recordings: what the emulated vendor keeps of recordings and meetings, and reports of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from attrs import Factory, define, frozen

from recording_core import Interval
from recording_core.plugin import build_media, compute_recorded_time
from recording_realtimekit.emulator.media import RETENTION

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/monitor-status/
# PAUSED is in every enum of the API and in no table of that page.
STATUSES = ("INVOKED", "RECORDING", "PAUSED", "UPLOADING", "UPLOADED", "ERRORED")
#: the statuses in which a meeting is being recorded
RUNNING = ("INVOKED", "RECORDING", "PAUSED")

# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/start_recordings/
MAX_DURATION = timedelta(hours=24)
VIDEO_FORMATS = {"H264": "mp4", "VP8": "webm", "VP9": "webm"}
# No page names the extension of an AAC file; the container is our choice.
AUDIO_FORMATS = {"AAC": "m4a", "MP3": "mp3"}

# The page documents `access_key` and `secret` with "this field is not readable by clients, only
# writeable". Samples on other pages show `secret` and `password` in answers, and so do ours.
WRITE_ONLY = ("access_key", "private_key")

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording/
# The answer to a start of a track recording has this template as it is, with nothing filled in.
# Its beginning and its end are the page's; the part between them is our choice.
TRACK_TEMPLATE = "{{file_name_prefix}}_user-{{user_id}}_peer-{{peer_id}}_peer_audio_{{time}}.webm"

# `user_Id` is the vendor's spelling.
ORGANIZATION = {
    "type": "ORGANIZATION",
    "user_Id": "5f1ac6ae-0f5a-4f0b-8d53-6c2f9ab6d8b1",
    "name": "Example Organization",
}
INTERNAL = {"type": "INTERNAL"}
BY_API = {"reason": "API_CALL", "caller": ORGANIZATION}

#: a time at which every recording has ended
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

#: the participants of each meeting; the first left and returned, which makes two tracks
USER_IDS = ("alice", "bob_2", "6b1f6f0e-carol", "alice")

STORAGE = {
    "type": "aws",
    "bucket": "customer-recordings",
    "region": "eu-central-1",
    "path": "meetings",
    "access_key": "AKIAEMULATED",
    "secret": "emulated-storage-secret",
}


# The past recordings take these bodies of a start in turn, newest first. The first four have one
# of each shape of files: of 45 recordings in 90 days, four are in the seven days for which files
# are kept. Every eighth, from the third, is of tracks; every eighth, from the fifth, failed.
HISTORY: Sequence[Mapping[str, Any]] = (
    {},
    {"audio_config": {"codec": "MP3"}},
    {},
    {"interactive_config": {"type": "ID3"}},
    {},
    {"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE},
    {"video_config": {"codec": "VP8"}, "audio_config": {}, "file_name_prefix": "weekly"},
    {"storage_config": {"type": "sftp", "auth_method": "PASSWORD", "password": "emulated"}},
)
TRACKS_INDEX, FAILED_INDEX = 2, 4


@frozen
class EmulatedParticipant:
    """One stay of a user in a meeting (the vendor's `peer`); a user who returns has a second."""

    user_id: str
    peer_id: str


@frozen
class EmulatedMeeting:
    """A meeting with its current session and its participants."""

    id: str
    title: str
    created_at: datetime
    session_id: str
    participants: tuple[EmulatedParticipant, ...]

    def build_row(self) -> dict[str, Any]:
        """Build the meeting as items of a list contain it."""
        return {
            "id": self.id,
            "title": self.title,
            "created_at": format_rfc3339(self.created_at),
            "updated_at": format_rfc3339(self.created_at),
            "status": "ACTIVE",
            "record_on_start": False,
        }


@frozen
class EmulatedFile:
    """One object in RealtimeKit's bucket. `delay` is how much later than the recording it began."""

    name: str
    format: str
    kind: str
    delay: timedelta = timedelta(0)


#: (key of an object, time of signing) -> its presigned URL
SignUrl = Callable[[str, datetime], str]


@define(eq=False)
class EmulatedRecording:
    """A recording whose state follows from the time at which it is read.

    `body` is the body of the start. `participants` are those whose tracks are recorded, or None if
    the whole meeting is composed into one video.
    """

    id: str
    meeting: EmulatedMeeting
    session_id: str
    invoked_at: datetime
    body: Mapping[str, Any]
    participants: tuple[EmulatedParticipant, ...] | None
    #: from INVOKED to RECORDING: "usually a few seconds"
    starting: timedelta
    #: a shorter recording ends as ERRORED
    shortest: timedelta
    #: from the stop to UPLOADED
    processing: timedelta
    stopped_at: datetime | None = None
    pauses: list[Interval] = Factory(list)
    start_reason: Mapping[str, Any] = Factory(lambda: BY_API)
    stop_reason: Mapping[str, Any] | None = None
    #: it could not be recovered
    failed: bool = False
    #: `file_size` is a string, as in the samples of webhooks
    size_as_text: bool = False
    #: `2023-01-25 04:51:35.903816Z`, as in the predecessor's samples
    spaced_times: bool = False
    #: `recording_duration` is 0 although there is a file, as in the predecessor's samples
    zero_duration: bool = False

    # -- states ----------------------------------------------------------------------------------

    @property
    def started_at(self) -> datetime:
        return self.invoked_at + self.starting

    def find_end(self, now: datetime) -> datetime | None:
        """Return when it stopped, by request or at `max_seconds`, which includes pauses."""
        longest = timedelta(seconds=self.body.get("max_seconds", MAX_DURATION.total_seconds()))
        ended = self.stopped_at or self.started_at + longest
        return ended if ended <= now else None

    def find_start(self, now: datetime) -> datetime | None:
        """Return when it began; None before that, and if it was stopped before."""
        return self.started_at if self.started_at <= (self.find_end(now) or now) else None

    def find_upload(self, now: datetime) -> datetime | None:
        """Return when the upload of its files was complete, or None before that."""
        ended = self.find_end(now)
        return ended + self.processing if ended and ended + self.processing <= now else None

    def compute_duration(self, now: datetime) -> timedelta:
        """Compute the recorded time. Whether pauses count is not documented; here they do not."""
        end = self.find_end(now) or now
        return max(compute_recorded_time(self.started_at, end, self.pauses), timedelta(0))

    def find_status(self, now: datetime) -> str:
        if self.find_end(now) is None:
            if now < self.started_at:
                return "INVOKED"
            return "PAUSED" if self.pauses and self.pauses[-1].end is None else "RECORDING"
        if self.find_upload(now) is None:
            return "UPLOADING"
        too_short = self.compute_duration(now) < self.shortest
        return "ERRORED" if self.failed or too_short else "UPLOADED"

    def pause(self, now: datetime) -> None:
        self.pauses.append(Interval(now))

    def resume(self, now: datetime) -> None:
        self.pauses[-1] = Interval(self.pauses[-1].start, now)

    def stop(self, now: datetime) -> None:
        self.stopped_at = now
        self.stop_reason = BY_API

    # -- files -----------------------------------------------------------------------------------

    @cached_property
    def files(self) -> tuple[EmulatedFile, ...]:
        """One file (video), two (video and audio), or one per participant (tracks)."""
        epoch = round(self.invoked_at.timestamp() * 1000)
        if self.participants is not None:
            layer = self.body.get("layers", {}).get("default", {})
            prefix = layer.get("file_name_prefix", self.meeting.id)
            # Each participant joined a second after the previous one, so all files differ.
            return tuple(
                EmulatedFile(
                    f"{prefix}_user-{each.user_id}_peer-{each.peer_id}_peer_audio_"
                    f"{epoch + 1000 * i}.webm",
                    "webm",
                    "track",
                    timedelta(seconds=i),
                )
                for i, each in enumerate(self.participants)
            )
        video, audio = self.body.get("video_config", {}), self.body.get("audio_config")
        prefix = self.body.get("file_name_prefix")
        stem = f"{prefix}_{self.meeting.id}_{epoch}" if prefix else f"{self.meeting.id}_{epoch}"
        container = VIDEO_FORMATS[video.get("codec", "H264")]
        files = []
        if video.get("export_file", True):
            format = "tar" if self.body.get("interactive_config") else container
            files.append(EmulatedFile(f"{stem}.{format}", format, "video"))
        if audio is not None and audio.get("export_file", True):
            # With VP8 and VP9 the audio is Vorbis, whichever codec was requested.
            format = AUDIO_FORMATS[audio.get("codec", "AAC")] if container == "mp4" else "webm"
            files.append(EmulatedFile(f"{stem}_audio.{format}", format, "audio"))
        return tuple(files)

    def build_content(self, file: EmulatedFile) -> bytes:
        """Build the bytes that a file has after its upload."""
        return build_media(file.format, self.compute_duration(END_OF_TIME) - file.delay)

    @cached_property
    def size(self) -> int:
        """The size of the video, or of all tracks; the API has no field for an extra audio file."""
        sized = [file for file in self.files if file.kind != "audio"] or self.files
        return sum(len(self.build_content(file)) for file in sized)

    def find_stored_since(self, now: datetime) -> datetime | None:
        """Return when RealtimeKit's bucket received its files, or None if it never did."""
        enabled = self.body.get("realtimekit_bucket_config", {}).get("enabled", True)
        return self.find_upload(now) if enabled and self.find_status(now) == "UPLOADED" else None

    def is_expired(self, now: datetime) -> bool | None:
        """Whether the bucket removed its files; None if it never had any."""
        since = self.find_stored_since(now)
        return now >= since + RETENTION if since else None

    # -- rows ------------------------------------------------------------------------------------

    def build_row(self, now: datetime, sign_url: SignUrl) -> dict[str, Any]:
        """Build the fields that every answer has; none of them names the meeting."""
        ended, since = self.find_end(now), self.find_stored_since(now)
        status = self.find_status(now)
        size = self.size if status == "UPLOADED" else None
        row: dict[str, Any] = {
            "id": self.id,
            "audio_download_url": self._build_url("audio", since, sign_url),
            "download_url": self._build_url("video", since, sign_url),
            "download_url_expiry": format_rfc3339(since + RETENTION) if since else None,
            "file_size": str(size) if self.size_as_text and size is not None else size,
            "invoked_time": format_rfc3339(self.invoked_at),
            "output_file_name": self.files[0].name if self.files else "",
            "session_id": self.session_id,
            "started_time": self._format_time(self.find_start(now)),
            "status": status,
            "stopped_time": self._format_time(ended),
        }
        if self.participants is not None:
            row["download_url"] = self._build_layers(since, sign_url)
            row["output_file_name"] = TRACK_TEMPLATE
            # Only the guide to track recording has it; no page names a composite one's type.
            row["type"] = "TRACK"
        if ended:
            seconds = int(self.compute_duration(now).total_seconds())
            row["recording_duration"] = 0 if self.zero_duration else seconds
        return row

    def build_details(self, now: datetime, sign_url: SignUrl) -> dict[str, Any]:
        """Build the answer of the recording's own URL, of its start and of the three actions."""
        return {
            **self.build_row(now, sign_url),
            "storage_config": self._build_storage(),
            "start_reason": self.start_reason,
            # The reason after `max_seconds` is not documented: null, here.
            "stop_reason": self.stop_reason if self.find_end(now) else None,
        }

    def build_list_item(self, now: datetime, sign_url: SignUrl) -> dict[str, Any]:
        """Build an item of a list: the only answer that names the meeting."""
        return {
            **self.build_row(now, sign_url),
            "storage_config": self._build_storage(),
            "meeting": self.meeting.build_row(),
        }

    def _build_url(self, kind: str, since: datetime | None, sign_url: SignUrl) -> str | None:
        name = next((file.name for file in self.files if file.kind == kind), None)
        return sign_url(f"{self.id}/{name}", since) if name and since else None

    def _build_layers(
        self, since: datetime | None, sign_url: SignUrl
    ) -> list[dict[str, Any]] | None:
        """Build the layers of tracks: every schema has a string or null, the guide shows this."""
        if since is None:
            return None
        urls = {
            file.name: {"download_url": sign_url(f"{self.id}/{file.name}", since)}
            for file in self.files
        }
        return [{"layer_name": "default", "download_urls": urls}]

    def _build_storage(self) -> dict[str, Any] | None:
        storage = self.body.get("storage_config")
        return storage and {key: storage[key] for key in storage if key not in WRITE_ONLY}

    def _format_time(self, at: datetime | None) -> str | None:
        if at is None:
            return None
        return at.strftime("%Y-%m-%d %H:%M:%S.%fZ") if self.spaced_times else format_rfc3339(at)


def format_rfc3339(at: datetime) -> str:
    """Format a time as `2026-06-03T10:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
