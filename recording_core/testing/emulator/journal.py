"""Journal: a request that an emulator received, and the beginning of what it returned."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve, frozen

from recording_core.testing.emulator.server import Reply, Request

#: How much of the body of each reply is kept.
_KEPT_BYTES = 4096


@frozen
class JournalEntry:
    """A request that an emulator received, and the status that it returned.

    `port` is `api` or `media`, as which a request for media at the API's own origin counts, too.
    Of the reply's body, which has `size` bytes, the first few KiB are kept. `reply` is `None` if
    the emulator raised. It arrived `at` that time of the emulator's clock.
    """

    request: Request
    port: str
    status: int
    reply: Reply | None = None
    size: int = 0
    at: datetime | None = None

    @classmethod
    def build(
        cls, request: Request, port: str, reply: Reply | None, at: datetime | None = None
    ) -> JournalEntry:
        """Build the entry of a reply, or of an exception, which is sent as HTTP 500."""
        if reply is None:
            return cls(request, port, 500, at=at)
        kept = evolve(reply, body=reply.body[:_KEPT_BYTES])
        return cls(request, port, reply.status, kept, len(reply.body), at)
