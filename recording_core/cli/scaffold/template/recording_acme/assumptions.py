"""Assumptions: what the vendor's pages leave open, and probes. This imports no client."""

from __future__ import annotations

from recording_core.plugin import Assumption, Observation


def is_newest_first(observation: Observation) -> bool | None:
    """Whether the rows of a list are sorted by their start, newest first."""
    starts = [each.started_at for each in observation.recordings if each.started_at is not None]
    return starts == sorted(starts, reverse=True) if len(starts) > 1 else None


def is_live_in_stop(observation: Observation) -> bool | None:
    """Whether the response to a stop has the state before the stop."""
    session = observation.sessions.get("stop")
    return session.raw.get("state") == "live" if session is not None else None


# FILL IN: a numbered assumption for each question that the vendor's pages leave open (section 6)
ASSUMPTIONS = (
    Assumption(
        1,
        leaves_open="the order of a list",
        assumed="Newest first. The client reads every page, so that another order loses nothing.",
        refuted_by="A row that began later than the row before it.",
        probe=is_newest_first,
    ),
    Assumption(
        2,
        leaves_open="the state in the response to a stop",
        assumed="The state before the stop. The library then reads the recording again.",
        refuted_by="Another state than `live`.",
        probe=is_live_in_stop,
    ),
    Assumption(
        3,
        leaves_open="how long a link to media is valid",
        assumed="For ever. A link that is rejected is requested again before a download fails.",
        refuted_by="A 403 for a link that was valid before.",
    ),
)
