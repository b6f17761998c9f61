"""Does a provider keep what the library promises of every provider? The suite that proves it.

A provider's tests inherit it and write one fixture:

    class TestAcmeConformance(ProviderConformance):
        @pytest.fixture
        def emulator(self) -> Iterator[Emulator]:
            with AcmeEmulator(recordings=45) as emulator:
                yield emulator

The emulator stands on its `ManualClock`, so nothing sleeps; it should list some fifty recordings,
on several pages. What is tested follows from the capabilities that `ProviderInfo` declares: each
yes has to work, each no has to raise before any request. A test that no capability calls for is
skipped, and says so.

`WebhookConformance` is the same for a vendor that calls back: the emulator signs, and tells what
happened by `callbacks()`.

Beside the fixture there are a few things that may be overridden, all of them with a default that
fits most vendors: `settle`, `warm_up`, `start_arguments`, `begin`, `end` (see `Ground`).
"""

from __future__ import annotations

from recording_core.testing.promises.answers import AnswerPromises
from recording_core.testing.promises.deadlines import DeadlinePromises
from recording_core.testing.promises.downloads import DownloadPromises
from recording_core.testing.promises.listings import ListingPromises
from recording_core.testing.promises.secrecy import SecrecyPromises
from recording_core.testing.promises.starts import StartPromises
from recording_core.testing.promises.verbs import VerbPromises
from recording_core.testing.promises.webhooks import WebhookPromises

__all__ = ["ProviderConformance", "WebhookConformance"]


class ProviderConformance(
    # pytest runs the tests of the last base first.
    SecrecyPromises,
    DeadlinePromises,
    DownloadPromises,
    AnswerPromises,
    ListingPromises,
    StartPromises,
    VerbPromises,
):
    """Inherit, write the fixture `emulator`, run pytest."""


class WebhookConformance(WebhookPromises):
    """Inherit, write the fixture `emulator`, run pytest."""
