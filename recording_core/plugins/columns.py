"""Report columns: the type of what the hook `recording_report_columns` declares."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from recording_core.model.entities import Recording

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TYPES = ("text", "time", "seconds", "bytes", "count", "number")


@frozen
class Column:
    """One column of the rows: its name, its type, and its description in `words`.

    `type` is `text`, `time` (an aware datetime), `seconds` (a float), `bytes`, `count` (ints) or
    `number` (a float). `read` takes a `Recording` and returns the value, or None if it is unknown.
    A plugin declares columns with the hook `recording_report_columns`.

    Raises `ValueError` if the name is not a lower-case identifier or the type is unknown.
    """

    name: str
    type: str
    words: str
    read: Callable[[Recording], Any] | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a column's name must be lower case [a-z0-9_], not {self.name!r}")
        if self.type not in _TYPES:
            raise ValueError(
                f"column {self.name!r} has type {self.type!r}; possible are {', '.join(_TYPES)}"
            )
