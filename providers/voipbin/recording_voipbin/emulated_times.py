"""How does the emulated VoIPBin write a time? In three ways: its pages are of three ages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

__all__ = ["Age", "read", "stamps", "token", "written"]

#: `rfc3339`: as its source does now (github voipbin/monorepo, since 2026-02): zeros at the end of
#: the fraction are dropped, and what is unset is left out. `sentinel`: as it did before, and as
#: https://docs.voipbin.net still shows it. `fixed6`: as the examples in
#: https://api.voipbin.net/openapi.json.
Age = Literal["rfc3339", "sentinel", "fixed6"]

# https://docs.voipbin.net, Recording and Common: "indicate the event has not yet occurred". The
# form with `T` stands there too; undocumented is which age wrote it: the third, here.
UNSET: Mapping[Age, str | None] = {
    "rfc3339": None,
    "sentinel": "9999-01-01 00:00:00.000000",
    "fixed6": "9999-01-01T00:00:00.000000Z",
}


def written(at: datetime, age: Age) -> str:
    """`2026-08-22T05:31:47.87Z`, `2026-08-22 05:31:47.870000`, `2026-08-22T05:31:47.870000Z`."""
    at = at.astimezone(UTC)
    if age == "sentinel":
        return f"{at:%Y-%m-%d %H:%M:%S.%f}"
    text = f"{at:%Y-%m-%dT%H:%M:%S.%f}"
    return (text.rstrip("0").rstrip(".") if age == "rfc3339" else text) + "Z"


def stamps(age: Age, *, nulls: bool = False, **times: datetime | None) -> dict[str, str | None]:
    """The fields of these times; one that is unset is left out, null or the sentinel."""
    fields = {name: UNSET[age] if at is None else written(at, age) for name, at in times.items()}
    return {name: text for name, text in fields.items() if nulls or text is not None}


def token(at: datetime, age: Age) -> str:
    """A page's token, which does not drop zeros."""
    return written(at, "sentinel" if age == "sentinel" else "fixed6")


def read(text: str) -> datetime:
    """The time of a token, which any date may be. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
