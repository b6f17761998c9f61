"""Assumptions: what Twilio's pages leave open, what is assumed, and probes that check it.

The emulator imports this module, so that it imports neither client nor mapping; the client does not
import it. `recordings doctor twilio --assumptions` runs the probes.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from recording_core.plugin import Assumption, Observation


def has_row_tokens(observation: Observation) -> bool | None:
    """Whether the token of the next page names the last row of a page."""
    page = _list(observation, PageSize="1")
    link = page["next_page_uri"]
    return page["recordings"][0]["sid"] in link if isinstance(link, str) else None


def is_time_cut(observation: Observation) -> bool | None:
    """Whether a filter by a time ignores its hours."""
    moments = (each.created_at for each in observation.recordings)
    for moment in moments:
        if moment is None or moment.time() < time(0, 1):
            continue
        midnight = datetime.combine(moment.date(), time(), UTC)
        bounds = {"DateCreated>": _format(midnight), "DateCreated<": _format(moment)}
        rows = _list(observation, **bounds, IncludeSoftDeleted="true")["recordings"]
        # A row of that very second fulfils `<=` if the hours count.
        return not rows
    return None


def _list(observation: Observation, **params: str) -> Any:
    provider: Any = observation.provider
    response = provider.transport.get(
        f"{provider.root}/Recordings.json", operation="list", params=params
    )
    return response.payload


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        1,
        leaves_open="The response to a stop, pause or resume of a recording that has ended.",
        assumed="It may be a 404 (20404), and not the 400 (21220) of a start on such a call. For a "
        "stop, both are success if the recording or its call shows that it has ended.",
        refuted_by="A 200, or another code.",
    ),
    Assumption(
        2,
        leaves_open="The response to a second pause or resume.",
        assumed="It may be a 400. If the session already has the requested state, an error of "
        "Twilio's is success; otherwise it is raised. After an update that may have been applied, "
        "the outcome is unknown.",
        refuted_by="A 200 to a second pause.",
    ),
    Assumption(
        3,
        leaves_open="What a `PageToken` is, and so whether a list is stable while rows come and "
        "go.",
        assumed="It names the last row of the page before. The client trusts only a token that "
        "contains the SID of that row; with any other it reads a list of several pages twice.",
        refuted_by="A token without that SID.",
        probe=has_row_tokens,
    ),
    Assumption(
        4,
        leaves_open="Whether a filter by `DateCreated` of the account's list ignores the hours: "
        "the pages show dates, the official clients send times.",
        assumed="It may. The client adds a day on both sides, and selects itself.",
        refuted_by="A list with `DateCreated<` at noon that has a row of that morning.",
        probe=is_time_cut,
    ),
    Assumption(
        5,
        leaves_open="Whether webhooks are sent about a pause and a resume of a call's or "
        "conference's recording: the events of a start are `in-progress completed absent`, those "
        "of a participant also `paused resumed`.",
        assumed="They may be, with `paused` and `in-progress`. A webhook with `in-progress` ends a "
        "pause.",
        refuted_by="No webhook after a pause with every event requested.",
    ),
    Assumption(
        6,
        leaves_open="The `duration` of a recording that is not completed: null, or -1 as in "
        "captured rows.",
        assumed="Either. Both mean that it is not known.",
        refuted_by="The seconds so far.",
    ),
    Assumption(
        7,
        leaves_open="Whether a get ever shows `paused`, `in-progress` or `stopped`, as an update's "
        "answer does; the page names `processing` and `completed`.",
        assumed="It may. The word decides then; `processing` alone is refined by the call or "
        "conference.",
        refuted_by="`processing` for a recording that is paused.",
    ),
    Assumption(
        8,
        leaves_open="Under which call a recording is listed that was started on a child leg: "
        "`call_sid` of a row is the parent leg.",
        assumed="Under the leg that the start named. Verbs use the call of the answer's row, and "
        "`get` and `wait` the recording's own SID; `list` and `active` need the leg of the row.",
        refuted_by="A start whose answer has another `call_sid` than its path.",
    ),
    Assumption(
        9,
        leaves_open="Whether the Auth Token of an account is valid for its subaccounts.",
        assumed="It is: connect with the SID of the subaccount as `account_sid`, and with the SID "
        "and the token of the parent as `api_key` and `api_secret`. The subaccount's own token is "
        "valid in any case.",
        refuted_by="A 401 (20003).",
    ),
)
