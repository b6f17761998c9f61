"""Media host of the emulated Plivo: the files of the recordings that are listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from recording_core.plugin import MEDIA_TYPES, Reply, Request, build_file_reply, build_media
from recording_plivo.emulator.authentication import is_authenticated
from recording_plivo.emulator.recordings import EmulatedRecording
from recording_plivo.emulator.responses import UNAUTHORIZED, ErrorResponse


def build_media_reply(
    request: Request,
    listed: Iterable[EmulatedRecording],
    account: Mapping[str, str],
    subaccount: Mapping[str, str],
    *,
    media_auth: bool,
) -> Reply:
    """Build the response to a request for a file; only `listed` recordings have one.

    Media is public unless `media_auth`. Raises `ErrorResponse`.
    """
    if request.method not in ("GET", "HEAD"):
        raise ErrorResponse(405, "method not allowed")
    recording = next(
        (each for each in listed if each.build_media_path(account["auth_id"]) == request.path), None
    )
    # The host of the first years never required credentials. A subaccount's media requires those
    # of the subaccount.
    if media_auth and not request.path.startswith("/recordings_2013/"):
        owner = subaccount if recording is not None and recording.subaccount else account
        if not is_authenticated(request, owner):
            return UNAUTHORIZED
    if recording is None:
        raise ErrorResponse(404)
    # Undocumented: content types and ranges. A client must check the first and may use both.
    body = build_media(recording.file_format, recording.duration)
    return build_file_reply(request, body, MEDIA_TYPES[recording.file_format])
