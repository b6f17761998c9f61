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

from recording_core.testing.conformance.answers import AnswerRequirements
from recording_core.testing.conformance.deadlines import DeadlineRequirements
from recording_core.testing.conformance.downloads import DownloadRequirements
from recording_core.testing.conformance.listings import ListingRequirements
from recording_core.testing.conformance.secrecy import SecrecyRequirements
from recording_core.testing.conformance.starts import StartRequirements
from recording_core.testing.conformance.verbs import VerbRequirements
from recording_core.testing.conformance.webhooks import WebhookRequirements

__all__ = ["ProviderConformance", "WebhookConformance"]


class ProviderConformance(
    # pytest runs the tests of the last base first.
    SecrecyRequirements,
    DeadlineRequirements,
    DownloadRequirements,
    AnswerRequirements,
    ListingRequirements,
    StartRequirements,
    VerbRequirements,
):
    """Inherit, write the fixture `emulator`, run pytest."""


class WebhookConformance(WebhookRequirements):
    """Inherit, write the fixture `emulator`, run pytest."""
