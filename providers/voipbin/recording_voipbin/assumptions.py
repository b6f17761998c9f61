"""Assumptions: what VoIPBin's pages leave open, what is assumed, and probes that check it.

The emulator imports this module, so that it imports neither client nor mapping; the client does not
import it. `recordings doctor voipbin --assumptions` runs the probes.
"""

from __future__ import annotations

from datetime import timedelta

from recording_core import NotFound, SessionKind, call
from recording_core.plugin import Assumption, Observation

#: The id of a call that does not exist.
UNKNOWN_CALL = call("00000000-0000-4000-8000-000000000000")
#: A call that was recorded so long ago has ended.
PAST = timedelta(days=1)


def has_reason_of_its_kind(observation: Observation) -> bool | None:
    """Whether the error about a call that does not exist has the reason `CALL_NOT_FOUND`."""
    try:
        observation.provider.active(UNKNOWN_CALL)
    except NotFound as error:
        return error.code == "CALL_NOT_FOUND"
    return None


def has_status_hangup(observation: Observation) -> bool | None:
    """Whether a call that has ended has the status `hangup`."""
    provider = observation.provider
    now = provider.clock.now()
    for each in observation.recordings:
        is_past = each.ended_at is not None and each.ended_at < now - PAST
        if each.kind is SessionKind.CALL and each.target is not None and is_past:
            try:
                response = provider.transport.get(f"calls/{each.target.id}", operation="get")
            except NotFound:
                continue
            status = response.payload.get("status")
            return status == "hangup" if status is not None else None
    return None


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        1,
        leaves_open="which characters an access key may have, and whether the server decodes "
        "percent-encoding in its cookie",
        assumed="Letters, digits and `_`, as in all samples, so that both readings are the same. "
        "`connect` rejects a key that a cookie cannot carry; a token has no such limit.",
        refuted_by="`AuthenticationFailed` with a key that the server accepts in the query.",
    ),
    Assumption(
        2,
        leaves_open="how long after the end of a recording its files are stored",
        assumed="At most an hour: the source stores them right after the end, and never again. "
        "Without any, a recording is then `failed`, and `download` requests its archive anyway. If "
        "its files cannot be seen, it is `available` after ten minutes; until the hour has passed, "
        "`download` raises `NotReady` for an incomplete archive.",
        refuted_by="A recording that was `failed` and has files later.",
    ),
    Assumption(
        3,
        leaves_open="the reason in the error about a call or conference that does not exist, or "
        "about a deleted conference",
        assumed="`CALL_NOT_FOUND` and `CONFERENCE_NOT_FOUND`, like that of a recording. The "
        "library reads no reason of a 404 about a call as proof about a recording.",
        refuted_by="Another reason in the error of `active` for an id that does not exist.",
        probe=has_reason_of_its_kind,
    ),
    Assumption(
        4,
        leaves_open="the status of a call or conference that has ended",
        assumed="`hangup` and `terminated`. The library reads no status of either.",
        refuted_by="Another status of a call that ended more than a day ago.",
        probe=has_status_hangup,
    ),
    Assumption(
        5,
        leaves_open="the response to a `page_token` that is not a time",
        assumed="HTTP 500: the source passes it on to the database. The library sends only times.",
        refuted_by="Another response.",
    ),
    Assumption(
        6,
        leaves_open="the order of the `recording_ids` of a call or conference",
        assumed="Oldest first. `list(target=)` returns all of them in the reverse order; `latest` "
        "compares times, so that another order changes neither.",
        refuted_by="A listing of a target in another order than newest first.",
    ),
    Assumption(
        7,
        leaves_open="the order and the page tokens of `/storage_files`",
        assumed="Those of `/recordings`: newest first, and a token is a time that lists what is "
        "older. In another order, no file counts as seen, and `download` requests the archive.",
        refuted_by="`PaginationError` as the reason in an error of a coverage.",
    ),
)
