"""Conformance suite: the test classes that a provider's tests inherit.

Inherit one, and name the emulator by a marker::

    @pytest.mark.emulator("acme", recordings=45)
    class TestAcmeConformance(ProviderConformance): ...

The marker belongs to the pytest plugin that comes with the library. A fixture `emulator` of your
own that yields a running emulator works, too.

The emulator runs on its `ManualClock`, so nothing sleeps. It should list about fifty recordings,
on several pages. What is tested follows from the capabilities that `ProviderInfo` declares: each
declared operation has to work, each other one has to raise before any request. A test that needs
an undeclared capability is skipped, with the reason. What an assumption can change is tested twice:
without assumptions, and with all that the emulator can follow.

`WebhookConformance` is the same for a vendor with webhooks: the emulator signs each event, and
`Emulator.build_webhook_requests` returns them.

If a vendor differs from the defaults, override `processing_timeout`, `warm_up`, `start_arguments`,
`begin` or `end` (see `ConformanceBase`).
"""

from __future__ import annotations

from itertools import product

import pytest

from recording_core.model.capabilities import Operation
from recording_core.model.enums import SessionKind
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing.conformance.answers import AnswerRequirements
from recording_core.testing.conformance.assumptions import AssumptionRequirements
from recording_core.testing.conformance.deadlines import DeadlineRequirements
from recording_core.testing.conformance.downloads import DownloadRequirements
from recording_core.testing.conformance.event_words import EventWordRequirements
from recording_core.testing.conformance.evidence import EvidenceRequirements
from recording_core.testing.conformance.independence import IndependenceRequirements
from recording_core.testing.conformance.listing_filters import ListingFilterRequirements
from recording_core.testing.conformance.listings import ListingRequirements
from recording_core.testing.conformance.moments import MomentRequirements
from recording_core.testing.conformance.moving_rows import MovingRowRequirements
from recording_core.testing.conformance.nulls import NullRequirements
from recording_core.testing.conformance.odd_fields import OddEventRequirements, OddFieldRequirements
from recording_core.testing.conformance.operations import OperationRequirements
from recording_core.testing.conformance.paths import PathRequirements
from recording_core.testing.conformance.secrecy import SecrecyRequirements
from recording_core.testing.conformance.signatures import SignatureRequirements
from recording_core.testing.conformance.smoke import SmokeRequirements
from recording_core.testing.conformance.starts import StartRequirements
from recording_core.testing.conformance.telemetry import TelemetryRequirements
from recording_core.testing.conformance.values import ValueRequirements
from recording_core.testing.conformance.verbs import VerbRequirements
from recording_core.testing.conformance.words import WordRequirements
from recording_core.testing.vendor_fixtures import find_marker

#: What an assumption can change. These run without assumptions, and with all of the emulator's.
_RUN_TWICE = (
    *(ListingRequirements, ListingFilterRequirements, MovingRowRequirements),
    *(StartRequirements, ValueRequirements),
    *(VerbRequirements, OperationRequirements, MomentRequirements, PathRequirements),
)


class ProviderConformance(
    # pytest runs the tests of the last base first.
    IndependenceRequirements,
    AssumptionRequirements,
    TelemetryRequirements,
    SecrecyRequirements,
    DeadlineRequirements,
    DownloadRequirements,
    AnswerRequirements,
    OddFieldRequirements,
    WordRequirements,
    NullRequirements,
    EvidenceRequirements,
    MovingRowRequirements,
    ListingFilterRequirements,
    ListingRequirements,
    ValueRequirements,
    PathRequirements,
    StartRequirements,
    MomentRequirements,
    VerbRequirements,
    OperationRequirements,
    SmokeRequirements,
):
    """The requirements of every provider. Inherit, name the emulator by a marker, run pytest."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each operation for each kind, and `_RUN_TWICE` also with all assumptions."""
        if {"operation", "kind"} <= {*metafunc.fixturenames}:
            pairs = list(product(SessionKind, Operation))
            ids = [f"{kind}-{operation}" for kind, operation in pairs]
            metafunc.parametrize(("kind", "operation"), pairs, ids=ids)
        name, _ = find_marker(metafunc.definition)
        depends = any(metafunc.function.__name__ in vars(each) for each in _RUN_TWICE)
        # Without a name, the fixture `emulator` is the author's own, or states what is missing.
        if depends and name is not None and "emulator_assumptions" in metafunc.fixturenames:
            emulator = load_object(get_provider_info(name), "emulator")
            if emulator.assumptions:
                runs = (
                    pytest.param((), id="without assumptions"),
                    pytest.param("all", id="with all assumptions", marks=pytest.mark.long),
                )
                metafunc.parametrize("emulator_assumptions", runs)


class WebhookConformance(EventWordRequirements, OddEventRequirements, SignatureRequirements):
    """The requirements of webhooks. Inherit, name the emulator by a marker, run pytest."""
