"""Assumptions: what RealtimeKit's pages leave open, what is assumed, and probes that check it.

The emulator imports this module, so that it imports neither client nor mapping; the client does not
import it. `recordings doctor realtimekit --assumptions` runs the probes.

Those that begin with "A third party" rest on one adopter's log of July 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from recording_core import RecordingStatus
from recording_core.plugin import Assumption, Observation

#: https://developers.cloudflare.com/realtime/realtimekit/data-retention
_RETENTION = timedelta(days=7)
#: assumption 2
DEFAULT_SIZE, LARGEST_SIZE = 25, 100


def _fetch_page(observation: Observation, **params: Any) -> Mapping[str, Any]:
    """Fetch one page of the list, with these parameters alone."""
    provider: Any = observation.provider
    payload = provider.transport.get(provider._root, operation="list", params=params).payload
    return payload if isinstance(payload, dict) else {}


def _probe_first_page(observation: Observation) -> bool | None:
    newest = {"per_page": 1, "sort_by": "invokedTime", "sort_order": "DESC"}
    ids = [
        [row.get("id") for row in _fetch_page(observation, page_no=number, **newest)["data"]]
        for number in (1, 0)
    ]
    return ids[0] == ids[1] if ids[0] else None


def _probe_default_size(observation: Observation) -> bool | None:
    page = _fetch_page(observation)
    size, total = len(page["data"]), (page.get("paging") or {}).get("total_count")
    return size == DEFAULT_SIZE if total is not None and size < total else None


def _probe_order(observation: Observation) -> bool | None:
    times = [row.get("invoked_time") for row in _fetch_page(observation, per_page=50)["data"]]
    return times == sorted(times) if len(set(times)) > 1 else None


def _probe_window(observation: Observation) -> bool | None:
    times = {each.id: each.created_at for each in observation.recordings if each.created_at}
    if len(times) < 2:
        return None
    # Just after a recording was invoked, and before it began.
    since = sorted(times.values())[len(times) // 2] + timedelta(milliseconds=1)
    page = _fetch_page(observation, start_time=since.isoformat(), per_page=len(times))
    found = {row.get("id") for row in page["data"]}
    return {id for id in times if id in found} == {id for id, at in times.items() if at >= since}


def _probe_audio_container(observation: Observation) -> bool | None:
    urls = [each.raw.get("audio_download_url") for each in observation.recordings]
    suffixes = {PurePosixPath(urlsplit(url).path).suffix for url in urls if isinstance(url, str)}
    suffixes -= {".mp3", ".webm"}  # those of the other codecs
    return suffixes == {".m4a"} if suffixes else None


def _is_of_tracks(row: Mapping[str, Any]) -> bool:
    """Whether a row is a recording of tracks: the guide shows a type, and a template as name."""
    return row.get("type") == "TRACK" or "{{" in str(row.get("output_file_name"))


def _list_kept_tracks(observation: Observation) -> list[Mapping[str, Any]]:
    """List the rows of tracks whose upload is complete and whose files exist."""
    found = (each for each in observation.recordings if _is_of_tracks(each.raw))
    return [each.raw for each in found if each.status is RecordingStatus.AVAILABLE]


def _read_tracks(observation: Observation) -> Any:
    """Read `download_url` of the newest recording of tracks that has files; None without one."""
    for row in _list_kept_tracks(observation):
        found = observation.provider.get(row["id"]).raw.get("download_url")
        if found:
            return found
    return None


def _probe_expired_urls(observation: Observation) -> bool | None:
    now = observation.provider.clock.now()
    rows = [
        each.raw
        for each in observation.recordings
        if each.provider_status == "UPLOADED"
        and each.ended_at is not None
        # A margin, since an upload takes time.
        and each.ended_at + _RETENTION + timedelta(days=1) <= now
        and not each.raw.get("storage_config")
    ]
    return not any(row.get("download_url") for row in rows) if rows else None


def _probe_track_sizes(observation: Observation) -> bool | None:
    sizes = [row.get("file_size") for row in _list_kept_tracks(observation)]
    return all(size == 0 for size in sizes) if sizes else None


def _probe_listed_layers(observation: Observation) -> bool | None:
    rows = _list_kept_tracks(observation)
    return all(row.get("download_url") for row in rows) if rows else None


def _probe_links(observation: Observation) -> bool | None:
    tracks = _read_tracks(observation)
    return None if tracks is None else isinstance(tracks, dict) and "links" in tracks


def _probe_track_names(observation: Observation) -> bool | None:
    tracks = _read_tracks(observation)
    return None if tracks is None else "_media_kind_" in str(tracks)


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        1,
        leaves_open="Whether `page_no` counts from 0 or from 1",
        assumed="From 1, as in the client libraries' examples, and page 0 is the first page, too. "
        "The client compares the offset of page 1, and its rows without one, with those of page 0",
        refuted_by="Page 0 has other rows than page 1, or none",
        probe=_probe_first_page,
    ),
    Assumption(
        2,
        leaves_open="How many rows a page has without `per_page`, and at most",
        assumed="25, and 100. The client requests 100 rows, counts with the number that it "
        "receives, and reads on after a full page",
        refuted_by="A page without `per_page` has another number of rows, and is not the last",
        probe=_probe_default_size,
    ),
    Assumption(
        3,
        leaves_open="The order of a list without `sort_order`",
        assumed="Oldest first. The client always requests the newest first, and `since` ends the "
        "sweep early only if the rows of the page descend",
        refuted_by="A list without `sort_order` that does not ascend",
        probe=_probe_order,
    ),
    Assumption(
        4,
        leaves_open="Which time `start_time` and `end_time` are compared with",
        assumed="`invoked_time`, as in `sort_by`. The client does not send them and filters rows",
        refuted_by="A list with `start_time` contains rows that were invoked earlier",
        probe=_probe_window,
    ),
    Assumption(
        5,
        leaves_open="The answer to a second start, and to a pause, resume or stop in a state that "
        "does not permit it",
        assumed="HTTP 409 in RealtimeKit's shape. After an error the client reads the recording: "
        "the verb succeeds if the wanted state is reached. `1005`, the code of Cloudflare's "
        "browser client, is a `Conflict`, too",
        refuted_by="`start` raises another error than `Conflict` while the meeting is recorded",
    ),
    Assumption(
        6,
        leaves_open="Whether tracks may be recorded in addition to the video",
        assumed="Yes, but not twice. The client sends both and passes the answer on",
        refuted_by="`start(tracks=True)` raises `Conflict` while only the video is recorded",
    ),
    Assumption(
        7,
        leaves_open="Whether pauses count into `recording_duration`, the total recording time",
        assumed="No. The number is passed on unchanged: if pauses count, a copy of a paused "
        "recording has a doubt, and nothing is deleted because of it",
        refuted_by="`recording_duration` is `stopped_time` minus `started_time` after a pause",
    ),
    Assumption(
        8,
        leaves_open="Whether `INVOKED`, a pause and a resume are sent as webhooks: Cloudflare's "
        "page lists four states, Dyte's also `INVOKED`",
        assumed="Yes, with `RECORDING` for a resume. A receiver needs none of them, and applies "
        "each of them idempotently",
        refuted_by="No webhook arrives after a pause",
    ),
    Assumption(
        9,
        leaves_open="The form of `downloadUrl` of tracks in webhooks",
        assumed="A third party received layers with `layerName`, `downloadUrls` and "
        "`downloadUrl`. The API's names are read, too",
        refuted_by="A webhook of tracks with `layer_name`",
    ),
    Assumption(
        10,
        leaves_open="How often and when a webhook is sent again after 5xx and network errors",
        assumed="Five times at most, as in Dyte's documentation, ten seconds apart. A public key "
        "that was replaced is accepted for another day, which is longer than that. `reconcile` "
        "finds what no webhook delivered",
        refuted_by="`rtk-uuid` of more than five deliveries of one event",
    ),
    Assumption(
        11,
        leaves_open="Name and container of the extra audio file with the codec AAC",
        assumed="`.m4a`. The format follows from the content of the file",
        refuted_by="An `audio_download_url` with another suffix",
        probe=_probe_audio_container,
    ),
    Assumption(
        12,
        leaves_open="What a row shows after seven days, when its file is removed",
        assumed="A third party received no URLs. The recording is `expired` by the expiry, or "
        "seven days after its end without one",
        refuted_by="A row older than eight days still has a `download_url`",
        probe=_probe_expired_urls,
    ),
    Assumption(
        13,
        leaves_open="What `file_size` of a recording of tracks is",
        assumed="A third party received 0 for each. A size of 0 is reported as unknown",
        refuted_by="A recording of tracks with another `file_size` than 0",
        probe=_probe_track_sizes,
    ),
    Assumption(
        14,
        leaves_open="Whether rows of a list contain the layers of tracks: the list's schema has a "
        "string or null, and the guide shows layers of one recording",
        assumed="Yes. `download` reads the recording again if a listed one has no file",
        refuted_by="A listed recording of tracks without a `download_url`, younger than seven days",
        probe=_probe_listed_layers,
    ),
    Assumption(
        15,
        leaves_open="Which form the layers of tracks have: an array in the guide, a string or null "
        "in every schema",
        assumed='A third party received `{"links": [...]}`. An array and one layer are read, too',
        refuted_by="`download_url` of tracks is an array",
        probe=_probe_links,
    ),
    Assumption(
        16,
        leaves_open="What the names of tracks' files contain beyond the guide's template",
        assumed="A third party received UUIDs as ids and `media_kind_audio` as the kind of media. "
        "Names are read from the right; an ambiguous one names no participant",
        refuted_by="A track's name without `media_kind`",
        probe=_probe_track_names,
    ),
    Assumption(
        17,
        leaves_open="The answer to a body outside its bounds: only a 404 of `active-recording` is "
        "declared",
        assumed="A third party received 422 with Joi's message in RealtimeKit's shape. It is "
        "`Rejected`, as a 400 in this shape is; in another shape both prove nothing",
        refuted_by="`start` with a wrong `extra` raises another error than `Rejected`",
    ),
    Assumption(
        18,
        leaves_open="Whether a video is made without `video_config`: samples show one, and one "
        "page requires the field",
        assumed='Yes. `format="mp4"` sends the field',
        refuted_by="A recording that was started without it is uploaded and has no `download_url`",
    ),
    Assumption(
        19,
        leaves_open="Which body a start of tracks requires: the guide's smallest one has only "
        "`meeting_id`, and a third party received 422 for it",
        assumed="The smallest one. `extra` can send `layers` with each of its fields",
        refuted_by='`start(tracks=True)` raises `Rejected` with `"layers" is required`',
    ),
)
