"""Assumptions: what Audian's pages leave open, what is assumed, and probes that check it.

The emulator imports this module, so that it imports neither client nor mapping; the client does not
import it. `recordings doctor audian --assumptions` runs the probes.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from recording_core import NotFound
from recording_core.plugin import Assumption, Observation

#: An id that no recording has.
_NO_ID = "rec_000000000000"


def is_paged_by_keys(observation: Observation) -> bool | None:
    """Whether the list has `page_size` or `next_start_key` in place of `pagination`."""
    payload = _read(observation, "recordings", limit="1")
    if not isinstance(payload, dict):
        return None
    return "pagination" not in payload and bool({"page_size", "next_start_key"} & payload.keys())


def has_id_beside_call_id(observation: Observation) -> bool | None:
    """Whether a row of a call has `id`."""
    rows = [each.raw for each in observation.recordings if "call_id" in each.raw]
    return any("id" in row for row in rows) if rows else None


def has_envelope(observation: Observation) -> bool | None:
    """Whether the response to a get is in `{"data", "status": "success"}`."""
    if not observation.recordings:
        return None
    payload = _read(observation, f"recordings/{quote(observation.recordings[0].id, safe='')}")
    if not isinstance(payload, dict):
        return None
    return isinstance(payload.get("data"), dict) and payload.get("status") == "success"


def has_engine_errors(observation: Observation) -> bool | None:
    """Whether a 404 has `"status": "error"`, as the engine's errors."""
    try:
        _read(observation, f"recordings/{_NO_ID}")
    except NotFound as error:
        body: Any = error.body
        return isinstance(body, dict) and body.get("status") == "error"
    return None


def shows_pauses(observation: Observation) -> bool | None:
    """Whether the response to a pause has the status."""
    session = observation.sessions.get("pause")
    return session.raw.get("status") == "paused" if session is not None else None


def _read(observation: Observation, path: str, **params: str) -> Any:
    return observation.provider.transport.get(path, operation="get", params=params).payload


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        1,
        leaves_open="Which paging the lists of recordings have: the recording pages show `limit` "
        "and `offset`, and the page on paging shows `page_size` and `start_key` for every list.",
        assumed="Keys are possible. A list with `next_start_key` is read by keys. Without a key, "
        "`pagination`, `total` or `has_more` shows whether it has ended; with `page_size` and none "
        "of these it has.",
        refuted_by="A list with `pagination`.",
        probe=is_paged_by_keys,
    ),
    Assumption(
        2,
        leaves_open="Whether a call's row has both `id` and `call_id`, as the engine's own rows.",
        assumed="It is possible. `recording_id` identifies; without one, `id`.",
        refuted_by="Rows of calls without `id`.",
        probe=has_id_beside_call_id,
    ),
    Assumption(
        3,
        leaves_open="Whether the recording endpoints use the envelope `data`, which their pages do "
        "not show and the page on response formats shows for every response.",
        assumed="It is possible. An object `data` is opened; no response of the recording pages "
        "has one.",
        refuted_by="A get that returns the recording itself.",
        probe=has_envelope,
    ),
    Assumption(
        4,
        leaves_open="Which of the three documented shapes an error has.",
        assumed="It may be the engine's: the HTTP status in quotes, and `status: error`. All three "
        "are recognized, and nothing else is.",
        refuted_by="A 404 in another shape.",
        probe=has_engine_errors,
    ),
    Assumption(
        5,
        leaves_open="What `since` compares, in which zone, and whether the bound is included.",
        assumed="It may be the start of a recording. `since` is sent 38 hours early, for a "
        "recording of 24 hours in any zone, and the exact bound is applied here. The pages limit "
        "conferences' recordings to 24 hours, and calls' not at all: a longer one may be missing. "
        "One that runs may be missing, too, since it has no `created_at`, until its end.",
        refuted_by="A list with `since` that lacks a recording created after it.",
    ),
    Assumption(
        6,
        leaves_open="The response to a pause and to a resume.",
        assumed="It has `recording_id` and `status`. Without a status, or if it is not JSON, the "
        "recording is read, whose status counts.",
        refuted_by="A response without a status.",
        probe=shows_pauses,
    ),
    Assumption(
        7,
        leaves_open="Whether a download redirects: the page of calls follows a redirect, the page "
        "of conferences does not.",
        assumed="It may answer with the file itself. Both are read; the key goes to no other host.",
        refuted_by="A redirect.",
    ),
    Assumption(
        8,
        leaves_open="The response to a second start, pause or resume, to a stop when nothing is "
        "recorded, and to a deletion while recording.",
        assumed="They are refused; without this assumption the emulator accepts all but the stop, "
        "and a repeated verb changes nothing. After any refusal of a pause, resume or stop the "
        "recording is read: if it has the wanted state, the operation succeeded.",
        refuted_by="A second start that begins another recording of the same call.",
    ),
    Assumption(
        9,
        leaves_open="Whether there are events of conferences' recordings, and whether the list "
        "without a target has them.",
        assumed="Neither. If an event or a row comes, it is read by `conference_id`.",
        refuted_by="An event, or a row of that list, with `conference_id`.",
    ),
    Assumption(
        10,
        leaves_open="How far the time of a webhook may differ from this machine's clock, and how "
        "often a delivery is repeated.",
        assumed="At most 300 seconds; each attempt has its own time. The emulator makes three "
        "attempts, ten seconds apart.",
        refuted_by="A genuine event that is refused for its time.",
    ),
)
