"""What does every report show, whatever it is grouped by? Each account, and each day by status."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from recording_core.reporting.compute.figures import measure
from recording_core.reporting.compute.measures import NAMES

__all__ = ["Overview", "overview"]

#: Without these, which have to sort all rows, it costs little beside the report itself.
_QUANTILES = ("seconds_median", "seconds_p95")


@frozen
class Overview:
    """The recordings of a report in two more groupings.

    `accounts` are dicts of `provider`, `account` and the measures without the quantiles; `times`
    of `unit` (the local day, or hour), `status` and `recordings`.
    """

    accounts: list[dict[str, Any]]
    times: list[dict[str, Any]]
    unit: Literal["day", "hour"]


def overview(source: Any, *, hourly: bool, **facts: Any) -> Overview:
    """Measured anew over the same rows; `facts` are `measure`'s. Raises as `measure` does."""
    unit: Literal["day", "hour"] = "hour" if hourly else "day"
    accounts = measure(
        source,
        by=("provider", "account"),
        only=[name for name in NAMES if name not in _QUANTILES],
        **facts,
    )
    times = measure(source, by=(unit, "status"), only=["recordings"], **facts)
    return Overview(accounts.to_pylist(), times.to_pylist(), unit)
