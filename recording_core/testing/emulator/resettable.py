"""Resettable: an object that can be constructed again in place, with the arguments it was given."""

from __future__ import annotations

import threading
from typing import Any, Self, TypeVar

#: Not the name of a subclass's attribute: authors use any names.
_ARGUMENTS = "_Resettable__arguments"
T = TypeVar("T", bound="Resettable")


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
    """Forget all attributes but those in `kept`, and call the constructor again.

    Other threads find those in `kept` at any moment, unless the constructor sets them.
    """
    values = vars(resettable)
    names = ("lock", _ARGUMENTS, *kept)
    remembered = {name: values[name] for name in names if name in values}
    args, settings = remembered[_ARGUMENTS]
    for name in values.keys() - remembered.keys():
        del values[name]
    type(resettable).__init__(resettable, *args, **settings)
    values.update(remembered)


def construct_twin(resettable: T, **changes: Any) -> T:
    """Construct another object with the same arguments, but for these keywords."""
    args, settings = vars(resettable)[_ARGUMENTS]
    return type(resettable)(*args, **{**settings, **changes})
