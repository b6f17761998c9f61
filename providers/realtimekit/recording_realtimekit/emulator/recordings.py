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
# AAC is documented in the container of the video alone; its own one is assumption 11.
AUDIO_FORMATS = {"AAC": "mp4", "MP3": "mp3"}

# The page documents `access_key` and `secret` with "this field is not readable by clients, only
# writeable". Samples on other pages show `secret` and `password` in answers, and so do ours.
WRITE_ONLY = ("access_key", "private_key")

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording/
# The answer to a start of a track recording has this template as it is, with nothing filled in.
TRACK_TEMPLATE = (
    "{{file_name_prefix}}_{{user_id}}_{{peer_id}}_{{stream_kind}}_{{media_kind}}_{{date_time}}.webm"
)
#: the prefix of a track's file without `layers`
DEFAULT_PREFIX = "default"

# `user_Id` is the vendor's spelling.
ORGANIZATION = {
    "type": "ORGANIZATION",
    "user_Id": "5f1ac6ae-0f5a-4f0b-8d53-6c2f9ab6d8b1",
    "name": "Example Organization",
}
BY_API = {"reason": "API_CALL", "caller": ORGANIZATION}

#: a time at which every recording has ended
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

#: The participants of each meeting. The first left and returned, which makes two tracks; the second
#: one's id contains the separator of a track's file name.
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
    {
        "storage_config": {"type": "sftp", "auth_method": "PASSWORD", "password": "emulated"},
        "audio_config": {"codec": "AAC"},
    },
)
TRACKS_INDEX, FAILED_INDEX = 2, 4


@frozen
class EmulatedParticipant:
    """One stay of a user in a meeting (the vendor's `peer`); a user who returns has a second."""

    user_id: str
    peer_id: str
    #: the vendor's own id of the user
    id: str


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
    the whole meeting is composed into one video. `assumes` returns whether the emulator follows the
    assumption of a number.
    """

    id: str
    meeting: EmulatedMeeting
    session_id: str
    invoked_at: datetime
    body: Mapping[str, Any]
    participants: tuple[EmulatedParticipant, ...] | None
    assumes: Callable[[int], bool]
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
        """Compute the "total recording time", without pauses (assumption 7)."""
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

    def stop(self, now: datetime, reason: Mapping[str, Any] = BY_API) -> None:
        self.stopped_at = now
        self.stop_reason = reason

    # -- files -----------------------------------------------------------------------------------

    @cached_property
    def files(self) -> tuple[EmulatedFile, ...]:
        """One file (video), two (video and audio), or one per participant (tracks)."""
        epoch = round(self.invoked_at.timestamp() * 1000)
        if self.participants is not None:
            layer = self.body.get("layers", {}).get("default", {})
            prefix = layer.get("file_name_prefix", DEFAULT_PREFIX)
            names = [
                f"{prefix}_{each.user_id}_{each.peer_id}_peer_audio" for each in self.participants
            ]
            if self.assumes(16):
                names = [
                    f"participant_{each.id}_{each.peer_id}_peer_media_kind_audio"
                    for each in self.participants
                ]
            # Each participant joined a second after the previous one, so all files differ.
            return tuple(
                EmulatedFile(
                    f"{name}_{epoch + 1000 * i}.webm", "webm", "track", timedelta(seconds=i)
                )
                for i, name in enumerate(names)
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
            if format == "mp4" and self.assumes(11):
                format = "m4a"
            files.append(EmulatedFile(f"{stem}_audio.{format}", format, "audio"))
        return tuple(files)

    def build_content(self, file: EmulatedFile) -> bytes:
        """Build the bytes that a file has after its upload."""
        return build_media(file.format, self.compute_duration(END_OF_TIME) - file.delay)

    @cached_property
    def size(self) -> int | None:
        """The size of the video; the API has no field for that of an extra audio file."""
        if self.participants is not None:
            return 0 if self.assumes(13) else None
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
        began, ended = self.find_start(now), self.find_end(now)
        status = self.find_status(now)
        row: dict[str, Any] = {
            "id": self.id,
            "audio_download_url": self._build_url("audio", now, sign_url),
            "download_url": self._build_url("video", now, sign_url),
            "download_url_expiry": self._format_expiry(now),
            "file_size": self.size if status == "UPLOADED" else None,
            "invoked_time": format_rfc3339(self.invoked_at),
            "output_file_name": self.files[0].name if self.files else "",
            "session_id": self.session_id,
            "started_time": format_rfc3339(began) if began else None,
            "status": status,
            "stopped_time": format_rfc3339(ended) if ended else None,
        }
        if self.participants is not None:
            row["download_url"] = self._build_layers(now, sign_url)
            row["output_file_name"] = TRACK_TEMPLATE
            # Only the guide to track recording has it; no page names a composite one's type.
            row["type"] = "TRACK"
        if ended:
            row["recording_duration"] = int(self.compute_duration(now).total_seconds())
        return row

    def build_details(self, now: datetime, sign_url: SignUrl) -> dict[str, Any]:
        """Build the answer of the recording's own URL, of its start and of the three actions."""
        details = {
            **self.build_row(now, sign_url),
            "storage_config": self._build_storage(),
            "start_reason": self.start_reason,
        }
        # The schema has it as optional and not as null. No word is documented for `max_seconds`.
        if self.stop_reason is not None and self.find_end(now) is not None:
            details["stop_reason"] = self.stop_reason
        return details

    def build_list_item(self, now: datetime, sign_url: SignUrl) -> dict[str, Any]:
        """Build an item of a list: the only answer that names the meeting."""
        row = self.build_row(now, sign_url)
        row.pop("type", None)  # the guide shows it in the answers about one recording
        if self.participants is not None and not self.assumes(14):
            # The schema of a list has a string or null, and the guide shows one recording.
            row |= {"download_url": None, "download_url_expiry": None}
        return {
            **row,
            "storage_config": self._build_storage(),
            "meeting": self.meeting.build_row(),
        }

    def _find_signed_since(self, now: datetime) -> datetime | None:
        """Return when the URLs were signed that a row shows, or None if it shows none."""
        is_hidden = self.assumes(12) and self.is_expired(now)
        return None if is_hidden else self.find_stored_since(now)

    def _format_expiry(self, now: datetime) -> str | None:
        since = self._find_signed_since(now)
        return format_rfc3339(since + RETENTION) if since else None

    def _build_url(self, kind: str, now: datetime, sign_url: SignUrl) -> str | None:
        name = next((file.name for file in self.files if file.kind == kind), None)
        since = self._find_signed_since(now)
        return sign_url(f"{self.id}/{name}", since) if name and since else None

    def _build_layers(self, now: datetime, sign_url: SignUrl) -> Any:
        """Build the layers of tracks: every schema has a string or null, the guide shows this."""
        since = self._find_signed_since(now)
        if since is None:
            return None
        urls = {
            file.name: {"download_url": sign_url(f"{self.id}/{file.name}", since)}
            for file in self.files
        }
        layers = [{"layer_name": "default", "download_urls": urls}]
        return {"links": layers} if self.assumes(15) else layers

    def _build_storage(self) -> dict[str, Any] | None:
        storage = self.body.get("storage_config")
        return storage and {key: storage[key] for key in storage if key not in WRITE_ONLY}


def format_rfc3339(at: datetime) -> str:
    """Format a time as `2026-06-03T10:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
