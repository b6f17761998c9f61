"""Assumptions: what Plivo's pages leave open, what is assumed, and probes that check it.

The emulator imports this module, so that it imports neither client nor mapping; the client does not
import it. `recordings doctor plivo --assumptions` runs the probes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from recording_core import Recording, Rejected
from recording_core.plugin import Assumption, Observation

#: A list without bounds covers seven days: https://www.plivo.com/docs/voice/api/recordings
_OUTSIDE_THE_WINDOW = timedelta(days=8)


def has_meeting_type(observation: Observation) -> bool | None:
    """Whether the rows of multiparty calls have a type of their own."""
    rows = [each.raw for each in observation.recordings if _has_mpc(each.raw)]
    if not rows:
        return None
    return all(row.get("recording_type") == "mpc" for row in rows)


def has_filters_in_links(observation: Observation) -> bool | None:
    """Whether the link to the next page repeats the filters."""
    now = observation.provider.clock.now()
    bounds = {
        "add_time__gte": _format(now - timedelta(days=30)),
        "add_time__lt": _format(now),
    }
    link = _list(observation, limit="1", **bounds)["meta"]["next"]
    return "add_time__gte" in link if isinstance(link, str) else None


def is_one_bound_narrowed(observation: Observation) -> bool | None:
    """Whether a list with one bound shows the thirty days next to it, without an error."""
    since = observation.provider.clock.now() - timedelta(days=60)
    end = since + timedelta(days=30)
    if not any(each.created_at and each.created_at >= end for each in observation.recordings):
        return None
    try:
        rows = _list(observation, limit="1", add_time__gte=_format(since))["objects"]
    except Rejected:
        return False
    ids = {row["recording_id"] for row in rows}
    return not any(each.id in ids and _is_after(each, end) for each in observation.recordings)


def is_window_lifted_for_a_call(observation: Observation) -> bool | None:
    """Whether a list that is filtered by a call, without bounds, shows an older recording."""
    old = _find_old(observation)
    if old is None or not isinstance(old.raw.get("call_uuid"), str):
        return None
    return bool(_list(observation, call_uuid=old.raw["call_uuid"])["objects"])


def is_window_replaced_by_days(observation: Observation) -> bool | None:
    """Whether a list that is filtered by the days in storage shows recordings of any age."""
    if _find_old(observation) is None:
        return None
    return bool(_list(observation, limit="1", recording_storage_duration__gte="8")["objects"])


def has_quoted_numbers(observation: Observation) -> bool | None:
    """Whether some rows have the numbers for billing in quotes."""
    rates = [each.raw.get("recording_storage_rate") for each in observation.recordings]
    rates = [each for each in rates if each is not None]
    return any(isinstance(each, str) for each in rates) if rates else None


def _list(observation: Observation, **params: str) -> Any:
    provider: Any = observation.provider
    response = provider.transport.get(
        f"{provider.root}/Recording/", operation="list", params=params
    )
    return response.payload


def _has_mpc(row: Any) -> bool:
    return bool(row.get("mpc_uuid") or row.get("mpc_name"))


def _find_old(observation: Observation) -> Recording | None:
    end = observation.provider.clock.now() - _OUTSIDE_THE_WINDOW
    old = (each for each in observation.recordings if each.created_at and each.created_at < end)
    return next(old, None)


def _is_after(recording: Recording, end: datetime) -> bool:
    return recording.created_at is not None and recording.created_at >= end


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        1,
        leaves_open="The `recording_type` of a multiparty call's recording.",
        assumed="It is `mpc`. A row that names a multiparty call (`mpc_name`, `mpc_uuid`) is a "
        "meeting's with any type; an unknown type alone leaves `kind` at `None`.",
        refuted_by="A row with `mpc_uuid` and another type.",
        probe=has_meeting_type,
    ),
    Assumption(
        2,
        leaves_open="Whether `meta.next` repeats the filters; the published links do not.",
        assumed="It may. The client sends its own filters with every cursor or offset, which is "
        "right in both cases.",
        refuted_by="A link without the filters of its list.",
        probe=has_filters_in_links,
    ),
    Assumption(
        3,
        leaves_open="What a list with one bound of `add_time` contains.",
        assumed="The thirty days next to the bound, without an error: less than asked for. The "
        "client always sends both bounds.",
        refuted_by="A 400, or a row that is further away.",
        probe=is_one_bound_narrowed,
    ),
    Assumption(
        4,
        leaves_open="Whether a filter by a call, conference or multiparty call lifts the default "
        "window of seven days.",
        assumed="It may; no page documents it. The client sends the filter with both bounds, in "
        "windows of thirty days: many requests, and no recording is missed in both cases.",
        refuted_by="An empty list with the `call_uuid` alone of a recording older than seven days.",
        probe=is_window_lifted_for_a_call,
    ),
    Assumption(
        5,
        leaves_open="Whether a filter by `recording_storage_duration`, which excludes `add_time`, "
        "replaces the default window.",
        assumed="It does. The client never sends it.",
        refuted_by="A list of recordings that are stored for eight days or more, and is empty.",
        probe=is_window_replaced_by_days,
    ),
    Assumption(
        6,
        leaves_open="Whether the numbers for billing are numbers, as in all fixtures, or in "
        "quotes, as in the sample of the page.",
        assumed="Some rows have them in quotes, without parties and with the type `normal`. The "
        "mapping reads none of these numbers.",
        refuted_by="Numbers without quotes in all rows.",
        probe=has_quoted_numbers,
    ),
    Assumption(
        7,
        leaves_open="The response to a second pause or resume.",
        assumed="It may be a 400. If the session already has the requested state, a 400, 409 or "
        "422 of Plivo's is success; otherwise it is raised.",
        refuted_by="A 204 to a second pause.",
    ),
    Assumption(
        8,
        leaves_open="Whether the response to a start with `callback_url` names the recording: the "
        "pages show that it does, and users of a client (plivo-php, issue 204) saw none.",
        assumed="It may not. The session then has no id; its webhook has one, and `wait` takes the "
        "only recording of that target that began after the start.",
        refuted_by="A `recording_id` in the response.",
    ),
    Assumption(
        9,
        leaves_open="Whether the webhook about the end is sent before the recording has a row: it "
        'is sent "when the recording ends", with the URL at which the file "can be accessed".',
        assumed="It may be. `confirm` and `get` then raise `NotFound`, and `wait` continues until "
        "the row exists.",
        refuted_by="A row for each recording whose webhook about the end arrives.",
    ),
    Assumption(
        10,
        leaves_open="Whether webhooks of multiparty calls contain the word `null`, as fixtures of "
        "the multiparty call itself do.",
        assumed="They may. The field is unread; a recording's id or a media URL is absent.",
        refuted_by="Empty or absent fields in its place.",
    ),
    Assumption(
        11,
        leaves_open="Whether the field `recording` of a multiparty call counts the recording of "
        "one participant.",
        assumed="It does not. The client does not read the field.",
        refuted_by="The word `recording` while only a participant is recorded.",
    ),
    Assumption(
        12,
        leaves_open="The response to a stop, pause or resume of a live session that is not "
        "recorded.",
        assumed="A 404. For a stop, it is success if Plivo answers a control request; so is a 204.",
        refuted_by="A 204.",
    ),
    Assumption(
        13,
        leaves_open="Whether the answer to an asynchronous start, which is sent to `callback_url`, "
        "has the `api_id` of the acknowledgement, as the webhook about the end has it.",
        assumed="It has. `session.apply` takes such an event for that start's, and refuses one "
        "with another `api_id`, which may be about another start of the same target. `wait` then "
        "searches the list.",
        refuted_by="Another `api_id`.",
    ),
)
