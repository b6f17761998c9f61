"""Vendor fixtures: `<provider>_emulator`, an emulated vendor for the tests of an application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from recording_core import ProviderInfo
    from recording_core.testing import Emulator, ManualClock

GROUP = "recording_core"
OPTION = "emulator_settings"


def build_fixtures() -> ModuleType:
    """Build a pytest plugin with a fixture for each installed provider, and load none of them."""
    plugin = ModuleType("recording_core_vendor_fixtures")
    plugin.application_clock = application_clock  # type: ignore[attr-defined]
    for distribution in metadata.distributions():
        # To parse the entry points of all distributions, in each run of pytest, takes longer.
        if f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or ""):
            for entry in distribution.entry_points.select(group=GROUP):
                if entry.name != "start":  # `start_emulator` is a fixture of `pytest_plugin`
                    setattr(plugin, f"{entry.name}_emulator", _build_fixture(entry.name))
    return plugin


def read_marker(marker: pytest.Mark) -> tuple[str | None, dict[str, Any]]:
    """Read a marker `emulator`: the provider's name, None without one, and the settings."""
    settings = dict(marker.kwargs)
    names = [*marker.args, *([settings.pop("provider")] if "provider" in settings else ())]
    if len(names) > 1:
        raise pytest.UsageError(f"@pytest.mark.emulator names one provider, not {names}")
    return (names[0] if names else None), settings


def find_marker(node: Any) -> tuple[str | None, dict[str, Any]]:
    """Read the closest marker `emulator` of a test, as `read_marker` does; there may be none."""
    marker = node.get_closest_marker("emulator")
    return (None, {}) if marker is None else read_marker(marker)


def _build_fixture(provider: str) -> Any:
    @pytest.fixture(name=f"{provider}_emulator")
    def emulator(
        request: pytest.FixtureRequest,
        application_clock: ManualClock,
        start_emulator: Callable[..., Emulator],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Emulator:
        """The emulated vendor, with the environment of the application under test set to it."""
        from recording_core.plugins.registry import get_provider_info

        info = get_provider_info(provider)
        if info.emulator is None:
            raise pytest.UsageError(f"the provider {provider} has no emulator")
        settings = _read_settings(request, provider)
        started = start_emulator(provider, **{"clock": application_clock, **settings})
        _set_environment(started, info, monkeypatch)
        # An account in a file of the developer's would be chosen, too.
        file = Path(tmp_path_factory.mktemp("recordings"), "recordings.toml")
        file.touch(mode=0o600)
        file.write_text("account = []")
        monkeypatch.setenv("RECORDINGS_CONFIG", str(file))
        return started

    return emulator


def _read_settings(request: pytest.FixtureRequest, provider: str) -> dict[str, Any]:
    """Read the settings of the ini file, and of the closest marker with this name or none."""
    settings: dict[str, Any] = {}
    for each in request.config.getini(OPTION):
        name, _, number = each.partition("=")
        if not number.strip().isdecimal():
            raise pytest.UsageError(f"{OPTION}: {each!r} is not a setting such as recordings=45")
        settings[name.strip()] = int(number)
    for marker in request.node.iter_markers("emulator"):
        name, given = read_marker(marker)
        if name in (provider, None):
            return {**settings, **given}
    return settings


def _set_environment(
    emulator: Emulator, info: ProviderInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set the variables that `rec.connect` and `recordings webhooks` read, and unset the others."""
    prefix = info.name.upper()
    for name in (*(each.env for each in info.settings), *_list_webhook_variables(prefix)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{prefix}_BASE_URL", emulator.base_url)
    for setting in info.settings:
        if setting.name in emulator.credentials:
            monkeypatch.setenv(setting.env, emulator.credentials[setting.name])
    for name, value in emulator.webhooks.items():
        monkeypatch.setenv(f"{prefix}_WEBHOOK_{name.upper()}", value)


def _list_webhook_variables(prefix: str) -> Iterator[str]:
    yield from (f"{prefix}_WEBHOOK_{name}" for name in ("SECRET", "KEY"))


@pytest.fixture
def application_clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """The clock of `<provider>_emulator` and of the application under test.

    It starts at the machine's time, and stands still until the test advances it. The library reads
    it in place of the machine's clock, also in connections and receivers that exist already.
    """
    from recording_core.clock import SystemClock
    from recording_core.testing import ManualClock

    clock = ManualClock(SystemClock().now())
    for name in ("now", "monotonic", "sleep"):
        monkeypatch.setattr(SystemClock, name, _build_method(getattr(clock, name)))
    return clock


def _build_method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: function(*args)
