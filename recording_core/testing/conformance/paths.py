"""Requirements for paths: an id is one part of a path, also with characters of a URL in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import recording_core as rec
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    state_requirement,
)
from recording_core.testing.emulator.server import Request

#: Ids that leave their part of a path if they are not quoted, or quoted like a whole path.
_IDS = ("zz/xx?yy#zz", "zz?yy")
#: More replies than a verb sends requests.
_MANY = 9


class PathRequirements(ConformanceBase):
    """Requirements for the ids in the paths of requests. They come from users."""

    def test_an_id_is_one_part_of_a_path(self, tmp_path: Path) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            for id in _IDS:
                for what, call in _build_calls(provider, id, tmp_path):
                    with state_requirement(
                        f"{what} with the id {id!r}: it raises, or the id is one part of the path "
                        'by quote(id, safe="")'
                    ):
                        self.vendor.faults += [self.vendor.build_error(404)] * _MANY
                        with (
                            self.vendor.log_requests("api") as entries,
                            suppress(rec.ProviderError, ValueError),
                        ):
                            call()
                        self.vendor.faults.clear()
                        torn = [each.request for each in entries if _is_torn(each.request)]
                        assert not torn, (
                            f"the provider sent {torn[0].method} {torn[0].path} with the query "
                            f"{torn[0].query}. Expected: no part of the id outside of its own part"
                        )


def _build_calls(
    provider: rec.Provider, id: str, directory: Path
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield a call of each declared verb with an id of a target, a session or a recording."""
    for kind in rec.SessionKind:
        target = rec.CommunicationSession(kind, id)
        session = rec.RecordingSession(provider.name, provider.account, id, target)
        calls: dict[rec.Operation, Callable[[], Any]] = {
            rec.Operation.START: partial(provider.start, target),
            rec.Operation.ACTIVE: partial(provider.active, target),
            rec.Operation.PAUSE: partial(provider.pause, session),
            rec.Operation.RESUME: partial(provider.resume, session),
            rec.Operation.STOP: partial(provider.stop, session),
            rec.Operation.GET: partial(provider.get, id, target=target),
            rec.Operation.DELETE: partial(provider.delete, id, target=target),
            rec.Operation.DOWNLOAD: partial(provider.download, id, directory, target=target),
        }
        for operation, call in calls.items():
            if provider.can(operation, kind):
                yield f"{kind} {operation}", call


def _is_torn(request: Request) -> bool:
    """Whether a part of the id is a part of the path of its own, or the name of a parameter."""
    return any(name.startswith("yy") for name, _ in request.query) or any(
        (one, other[:2]) == ("zz", "xx") for one, other in pairwise(request.segments())
    )
