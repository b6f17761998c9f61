"""What does RealtimeKit know of one recording, and what does it say of it at a given time?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from attrs import Factory, define, frozen

from recording_core.plugin import build_media
from recording_realtimekit.emulated_bucket import KEPT

__all__ = [
    "BY_API",
    "INTERNAL",
    "RUNNING",
    "STATUSES",
    "EmulatedFile",
    "EmulatedMeeting",
    "EmulatedRecording",
    "Peer",
]

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/monitor-status/
# PAUSED stands in every enumeration of the API and in no table of that page.
STATUSES = ("INVOKED", "RECORDING", "PAUSED", "UPLOADING", "UPLOADED", "ERRORED")
#: a meeting with one of these is being recorded
RUNNING = ("INVOKED", "RECORDING", "PAUSED")

# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/start_recordings/
LONGEST = timedelta(hours=24)
VIDEO_FORMATS = {"H264": "mp4", "VP8": "webm", "VP9": "webm"}
# No page names the extension of an AAC file; the container is our choice.
AUDIO_FORMATS = {"AAC": "m4a", "MP3": "mp3"}

# "Note that this field is not readable by clients, only writeable" is said of `access_key` and
# `secret`; samples on other pages show `secret` and `password` in answers, so ours do too.
UNREADABLE = ("access_key", "private_key")

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording/
# The start of a track recording answers this template as it is, and never fills it in. Its
# beginning and its end are the page's; what stands between is ours.
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
FOREVER = datetime.max.replace(tzinfo=UTC)


@frozen
class Peer:
    """One stay of a participant in a meeting: who leaves and returns is a second peer."""

    user: str
    id: str


@frozen
class EmulatedMeeting:
    """A meeting, with the session that takes place in it and who is there."""

    id: str
    title: str
    created_at: datetime
    session_id: str
    peers: tuple[Peer, ...]

    def row(self) -> dict[str, Any]:
        """The meeting as items of a listing carry it."""
        return {
            "id": self.id,
            "title": self.title,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.created_at),
            "status": "ACTIVE",
            "record_on_start": False,
        }


@frozen
class EmulatedFile:
    """One object in RealtimeKit's bucket. `late` is how much later than the recording it began."""

    name: str
    format: str
    kind: str
    late: timedelta = timedelta(0)


#: a presigned URL of the object of that key, signed at that time
Sign = Callable[[str, datetime], str]


@define(eq=False)
class EmulatedRecording:
    """A recording that moves on by the time it is asked at; nothing has to push it.

    `body` is what the start was told. `peers` are those whose tracks are recorded, and None where
    the whole meeting is composed into one picture.
    """

    id: str
    meeting: EmulatedMeeting
    session_id: str
    invoked_at: datetime
    body: Mapping[str, Any]
    peers: tuple[Peer, ...] | None
    #: from INVOKED to RECORDING: "usually a few seconds"
    starting: timedelta
    #: what recorded less ends as ERRORED
    shortest: timedelta
    #: from the stop to UPLOADED
    processing: timedelta
    stopped_at: datetime | None = None
    pauses: list[tuple[datetime, datetime | None]] = Factory(list)
    start_reason: Mapping[str, Any] = Factory(lambda: BY_API)
    stop_reason: Mapping[str, Any] | None = None
    #: it could not be recovered
    failed: bool = False
    #: `file_size` is a text, as in the webhooks' samples
    size_as_text: bool = False
    #: `2023-01-25 04:51:35.903816Z`, as in the predecessor's samples
    spaced_times: bool = False
    #: `recording_duration` is 0 though there is a file, as in the predecessor's samples
    zero_duration: bool = False

    # -- its states -----------------------------------------------------------------------------

    @property
    def started_at(self) -> datetime:
        return self.invoked_at + self.starting

    def ended_at(self, now: datetime) -> datetime | None:
        """When it stopped, by order or at `max_seconds`; pauses count towards the latter."""
        longest = timedelta(seconds=self.body.get("max_seconds", LONGEST.total_seconds()))
        ended = self.stopped_at or self.started_at + longest
        return ended if ended <= now else None

    def uploaded_at(self, now: datetime) -> datetime | None:
        """When its files were complete, if they are."""
        ended = self.ended_at(now)
        return ended + self.processing if ended and ended + self.processing <= now else None

    def recorded(self, now: datetime) -> timedelta:
        """How long it recorded. Whether pauses count is documented nowhere; here they do not."""
        end = self.ended_at(now) or now
        whole = end - self.started_at
        for begin, finish in self.pauses:
            whole -= min(finish or end, end) - begin
        return max(whole, timedelta(0))

    def status(self, now: datetime) -> str:
        if self.ended_at(now) is None:
            if now < self.started_at:
                return "INVOKED"
            return "PAUSED" if self.pauses and self.pauses[-1][1] is None else "RECORDING"
        if self.uploaded_at(now) is None:
            return "UPLOADING"
        return "ERRORED" if self.failed or self.recorded(now) < self.shortest else "UPLOADED"

    def pause(self, now: datetime) -> None:
        self.pauses.append((now, None))

    def resume(self, now: datetime) -> None:
        self.pauses[-1] = (self.pauses[-1][0], now)

    def stop(self, now: datetime) -> None:
        self.stopped_at = now
        self.stop_reason = BY_API

    # -- its files ------------------------------------------------------------------------------

    @cached_property
    def files(self) -> tuple[EmulatedFile, ...]:
        """What becomes of it: 1 (video), 2 (video and audio) or a file for each peer (tracks)."""
        epoch = round(self.invoked_at.timestamp() * 1000)
        if self.peers is not None:
            layer = self.body.get("layers", {}).get("default", {})
            prefix = layer.get("file_name_prefix", self.meeting.id)
            # Each peer came a second after the one before, so no two files are alike.
            return tuple(
                EmulatedFile(
                    f"{prefix}_user-{peer.user}_peer-{peer.id}_peer_audio_{epoch + 1000 * i}.webm",
                    "webm",
                    "track",
                    timedelta(seconds=i),
                )
                for i, peer in enumerate(self.peers)
            )
        video, audio = self.body.get("video_config", {}), self.body.get("audio_config")
        prefix = self.body.get("file_name_prefix")
        stem = f"{prefix}_{self.meeting.id}_{epoch}" if prefix else f"{self.meeting.id}_{epoch}"
        picture = VIDEO_FORMATS[video.get("codec", "H264")]
        files = []
        if video.get("export_file", True):
            format = "tar" if self.body.get("interactive_config") else picture
            files.append(EmulatedFile(f"{stem}.{format}", format, "video"))
        if audio is not None and audio.get("export_file", True):
            # With VP8 and VP9 the sound becomes Vorbis, whatever was asked for.
            format = AUDIO_FORMATS[audio.get("codec", "AAC")] if picture == "mp4" else "webm"
            files.append(EmulatedFile(f"{stem}_audio.{format}", format, "audio"))
        return tuple(files)

    def content(self, file: EmulatedFile) -> bytes:
        """The file's bytes, once it is uploaded."""
        return build_media(file.format, self.recorded(FOREVER) - file.late)

    @cached_property
    def size(self) -> int:
        """Of the picture, or of all tracks; the API has no field for the audio beside it."""
        sized = [file for file in self.files if file.kind != "audio"] or self.files
        return sum(len(self.content(file)) for file in sized)

    def kept_since(self, now: datetime) -> datetime | None:
        """Since when its files were in RealtimeKit's bucket, if they ever were."""
        enabled = self.body.get("realtimekit_bucket_config", {}).get("enabled", True)
        return self.uploaded_at(now) if enabled and self.status(now) == "UPLOADED" else None

    def expired(self, now: datetime) -> bool | None:
        """Whether the bucket dropped its files; None where it had none."""
        since = self.kept_since(now)
        return now >= since + KEPT if since else None

    # -- what is said of it ---------------------------------------------------------------------

    def row(self, now: datetime, sign: Sign) -> dict[str, Any]:
        """What every answer says: of its meeting, nothing."""
        ended, since = self.ended_at(now), self.kept_since(now)
        status = self.status(now)
        started = self.started_at if self.started_at <= (ended or now) else None
        size: int | str | None = self.size if status == "UPLOADED" else None
        if size is not None and self.size_as_text:
            size = str(size)
        row: dict[str, Any] = {
            "id": self.id,
            "audio_download_url": self._url("audio", since, sign),
            "download_url": self._url("video", since, sign),
            "download_url_expiry": rfc3339(since + KEPT) if since else None,
            "file_size": size,
            "invoked_time": rfc3339(self.invoked_at),
            "output_file_name": self.files[0].name if self.files else "",
            "session_id": self.session_id,
            "started_time": self._time(started),
            "status": status,
            "stopped_time": self._time(ended),
        }
        if self.peers is not None:
            row["download_url"] = self._layers(since, sign)
            row["output_file_name"] = TRACK_TEMPLATE
            # Only the guide on track recording shows it; no page names a composite one's type.
            row["type"] = "TRACK"
        if ended:
            seconds = int(self.recorded(now).total_seconds())
            row["recording_duration"] = 0 if self.zero_duration else seconds
        return row

    def details(self, now: datetime, sign: Sign) -> dict[str, Any]:
        """What the recording's own URL, its start and its verbs answer."""
        return {
            **self.row(now, sign),
            "storage_config": self._storage(),
            "start_reason": self.start_reason,
            # What the vendor says after `max_seconds` is documented nowhere: nothing, here.
            "stop_reason": self.stop_reason if self.ended_at(now) else None,
        }

    def item(self, now: datetime, sign: Sign) -> dict[str, Any]:
        """What a listing says: the only answer that names the meeting."""
        return {
            **self.row(now, sign),
            "storage_config": self._storage(),
            "meeting": self.meeting.row(),
        }

    def _url(self, kind: str, since: datetime | None, sign: Sign) -> str | None:
        name = next((file.name for file in self.files if file.kind == kind), None)
        return sign(f"{self.id}/{name}", since) if name and since else None

    def _layers(self, since: datetime | None, sign: Sign) -> list[dict[str, Any]] | None:
        """Every schema says text or null; the guide on track recording shows this."""
        if since is None:
            return None
        urls = {
            file.name: {"download_url": sign(f"{self.id}/{file.name}", since)}
            for file in self.files
        }
        return [{"layer_name": "default", "download_urls": urls}]

    def _storage(self) -> dict[str, Any] | None:
        storage = self.body.get("storage_config")
        return storage and {key: storage[key] for key in storage if key not in UNREADABLE}

    def _time(self, at: datetime | None) -> str | None:
        if at is None:
            return None
        return at.strftime("%Y-%m-%d %H:%M:%S.%fZ") if self.spaced_times else rfc3339(at)


def rfc3339(at: datetime) -> str:
    """`2026-06-03T10:00:00.000Z`"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
