"""Resettable: an object that can be constructed again in place, with the arguments it was given."""

from __future__ import annotations

import threading
from typing import Any, Self

#: Not the name of a subclass's attribute: authors use any names.
_ARGUMENTS = "_Resettable__arguments"


class Resettable:
    """An object that remembers its constructor's arguments, and a lock that outlives a reset."""

    lock: threading.RLock

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Create the object and remember the arguments, also those of a subclass."""
        self = super().__new__(cls)
        self.lock = threading.RLock()
        vars(self)[_ARGUMENTS] = (args, settings)
        return self


def construct_again(resettable: Resettable, *kept: str) -> None:
    """Forget all attributes but those in `kept`, and call the constructor again."""
    values = vars(resettable)
    names = ("lock", _ARGUMENTS, *kept)
    remembered = {name: values[name] for name in names}
    args, settings = remembered[_ARGUMENTS]
    values.clear()
    values.update(remembered)
    type(resettable).__init__(resettable, *args, **settings)
    values.update(remembered)
