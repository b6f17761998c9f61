"""Plugins: installed ones are found, and a broken one does not affect the others.

Each test puts small distributions on the path, as an installer would: a module, and the metadata
that names its entry point. Our own providers are installed as well.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import recording_core as rec
from recording_core.plugins.registry import load_registry, notify_plugins
from recording_core.testing import ManualClock

OURS = {"audian", "plivo", "realtimekit", "twilio", "voipbin"}
SESSION = rec.RecordingSession("plivo", "default", "some-id", rec.call("some-call"))

#: The code of a plugin that works.
GOOD = """
from recording_core.plugin import ProviderInfo, Setting, build_capabilities, hookimpl

INFO = ProviderInfo(
    name="{name}",
    label="A vendor",
    settings=[Setting("key", "VENDOR_KEY", secret=True)],
    capabilities=build_capabilities(call="start stop"),
    documentation="https://example.com/docs",
    client="{module}:Nowhere",
)

@hookimpl
def recording_provider():
    return INFO
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install(name, code)` puts a distribution with a plugin of that code on the path."""
    modules: list[str] = []

    def put(name: str, code: str = GOOD, *, distribution: str | None = None) -> Path:
        distribution = distribution or f"recording-{name}"
        module = f"plugin_{len(modules)}_of_{tmp_path.name}".replace("-", "_")
        modules.append(module)
        site = tmp_path / f"site-{len(modules)}"
        metadata = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        metadata.mkdir(parents=True)
        plain = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (metadata / "METADATA").write_text(plain)
        (metadata / "entry_points.txt").write_text(f"[recording_core]\n{name} = {module}\n")
        code = dedent(code).replace("{name}", name).replace("{module}", module)
        (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))
        load_registry.cache_clear()
        return site

    yield put
    for module in modules:
        sys.modules.pop(module, None)
    load_registry.cache_clear()


def collect_warnings() -> list[str]:
    """Discover twice and return the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rec.providers()
        rec.providers()
    assert all(each.category is UserWarning for each in caught)
    return [str(each.message) for each in caught]


def test_installed_provider_is_listed_with_ours(install: Install) -> None:
    install("alpha")
    assert collect_warnings() == []
    found = rec.providers()
    assert set(found) >= {"alpha", *OURS}
    assert list(found) == sorted(found)
    assert found["alpha"].settings[0].secret


#: the code of broken plugins, and a part of the error's text
BROKEN = {
    "the module cannot be imported": (
        "import a_module_that_does_not_exist",
        "ModuleNotFoundError: No module named 'a_module_that_does_not_exist'",
    ),
    "syntax error": ("def (:", "SyntaxError"),
    "the module ends the program": ("raise SystemExit('good bye')", "SystemExit: good bye"),
    "the hook raises": (
        GOOD.replace("return INFO", "raise RuntimeError('out of order')"),
        "RuntimeError: out of order",
    ),
    "the hook returns a str": (GOOD.replace("return INFO", "return 'acme'"), "returns a str"),
    "the hook returns None": (
        GOOD.replace("return INFO", "return None"),
        "declares 0 providers",
    ),
    "no hook": ("X = 1", "declares 0 providers"),
    "another name than the entry point's": (
        GOOD.replace('name="{name}"', 'name="omega"'),
        "declares the name 'omega'",
    ),
    "the hook is misspelt": (
        GOOD.replace("def recording_provider", "def recording_provder"),
        "unknown hook 'recording_provder'",
    ),
    "one of two hooks is misspelt": (
        f"{GOOD}\n@hookimpl\ndef recording_evnt(event):\n    pass\n",
        "unknown hook 'recording_evnt'",
    ),
    "an unknown parameter of a hook": (
        f"{GOOD}\n@hookimpl\ndef recording_event(happening):\n    pass\n",
        "happening",
    ),
    "a client without a module": (
        GOOD.replace('client="{module}:Nowhere"', 'client="nowhere"'),
        "write it as 'module:name'",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_plugin_is_reported_once_and_does_not_affect_others(
    what: str, install: Install
) -> None:
    code, reason = BROKEN[what]
    install("alpha")
    install("broken", code)
    messages = collect_warnings()
    assert len(messages) == 1, messages
    assert "'broken'" in messages[0]
    assert "recording-broken" in messages[0]
    assert reason in messages[0]
    assert "broken" not in rec.providers()
    assert set(rec.providers()) >= {"alpha", *OURS}
    for _ in range(2):
        with pytest.raises(rec.PluginError) as caught:
            rec.connect("broken", key="some-key")
        assert reason in str(caught.value)
    rec.connect("plivo", auth_id="some-id", auth_token="some-token").close()


def test_name_claimed_by_two_distributions_is_refused(install: Install) -> None:
    # The name decides which code receives the credentials.
    install("plivo", distribution="recording-plivo-of-a-third-party")
    install("alpha")
    messages = collect_warnings()
    assert len(messages) == 1
    assert "plivo" not in rec.providers()
    assert {"alpha", "realtimekit"} <= set(rec.providers())
    with pytest.raises(rec.PluginError) as caught:
        rec.connect("plivo", auth_id="some-id", auth_token="some-token")
    for owner in ("recording-plivo ", "recording-plivo-of-a-third-party"):
        assert owner in str(caught.value)
        assert owner in messages[0]


def test_distribution_found_twice_counts_once(install: Install) -> None:
    # An editable install and its remains, or a folder that is on the path twice.
    install("alpha", distribution="recording-alpha")
    install("alpha", distribution="Recording_Alpha")
    assert collect_warnings() == []
    assert "alpha" in rec.providers()


def test_distribution_without_a_name_does_not_affect_others(install: Install) -> None:
    """An interrupted uninstall leaves entry points without the name of their distribution."""
    site = install("alpha")
    (next(site.glob("*.dist-info")) / "METADATA").unlink()
    load_registry.cache_clear()
    assert set(rec.providers()) >= {"alpha", *OURS}


def test_others_load_if_warnings_are_errors(install: Install) -> None:
    install("broken", "import a_module_that_does_not_exist")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(rec.providers()) >= OURS
    with pytest.raises(rec.PluginError):
        rec.connect("broken")


def test_plugin_may_have_hooks_and_no_provider(install: Install) -> None:
    install(
        "watcher",
        """
        from recording_core.plugin import hookimpl

        seen = []

        @hookimpl
        def recording_session_changed(session, previous):
            seen.append((session, previous))
        """,
    )
    assert collect_warnings() == []
    assert "watcher" not in rec.providers()
    notify_plugins("recording_session_changed", session=SESSION, previous=None)
    watcher = load_registry().manager.get_plugin("watcher")
    assert watcher is not None
    assert watcher.seen == [(SESSION, None)]


def test_hooks_of_a_broken_plugin_never_run(install: Install) -> None:
    install(
        "broken",
        """
        from recording_core.plugin import hookimpl

        @hookimpl
        def recording_provider():
            return "not a ProviderInfo"

        @hookimpl
        def recording_session_changed(session, previous):
            raise AssertionError("the hook of a broken plugin was called")
        """,
    )
    with pytest.warns(UserWarning, match="broken"):
        assert notify_plugins("recording_session_changed", session=SESSION, previous=None) == []


def test_exception_of_a_notifying_hook_is_logged_and_changes_no_verb(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(
        "failing",
        """
        from recording_core.plugin import hookimpl

        @hookimpl
        def recording_session_changed(session, previous):
            raise ZeroDivisionError("on purpose")
        """,
    )
    from recording_plivo.emulator import PlivoEmulator

    caplog.set_level(logging.ERROR, logger="recording_core")
    with PlivoEmulator(clock=ManualClock()) as emulator, emulator.connect() as provider:
        session = provider.stop(provider.start(emulator.sessions[0]))
    assert session.stopped_at is not None
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    for record in caplog.records:
        assert record.getMessage() == "The plugin failing failed in recording_session_changed"
        assert "ZeroDivisionError: on purpose" in caplog.text


def test_all_plugins_are_notified_if_one_fails(install: Install) -> None:
    failing = """
    from recording_core.plugin import hookimpl

    seen = []

    @hookimpl
    def recording_session_changed(session):
        seen.append(session)
        raise ZeroDivisionError
    """
    install("one", failing)
    install("two", failing)
    raised = notify_plugins("recording_session_changed", session=SESSION, previous=None)
    assert [type(error) for error in raised] == [ZeroDivisionError, ZeroDivisionError]
    for name in ("one", "two"):
        plugin = load_registry().manager.get_plugin(name)
        assert plugin is not None
        assert plugin.seen == [SESSION]


def test_client_that_cannot_be_imported_raises_plugin_error(install: Install) -> None:
    install("alpha")
    with pytest.raises(rec.PluginError, match="Nowhere"):
        rec.connect("alpha", key="some-key")
    install("beta", GOOD + "\nclass Nowhere:\n    pass\n")
    with pytest.raises(rec.PluginError, match="not a subclass of Provider"):
        rec.connect("beta", key="some-key")


def test_unknown_name_raises_with_the_installed_names() -> None:
    with pytest.raises(rec.PluginError, match="plivo, realtimekit"):
        rec.connect("acme-that-is-not-installed")


def test_listing_the_providers_imports_no_client_and_no_http_library() -> None:
    code = """
    import sys
    import recording_core
    assert recording_core.providers()
    heavy = {"requests", "urllib3", "cattrs", "pytest", "http.client"}
    loaded = [name for name in sys.modules if name.split(".")[0] in heavy or name in heavy]
    clients = [name for name in sys.modules if name.endswith((".client", ".mapping", ".emulator"))]
    clients = [name for name in clients if name.startswith("recording_")]
    print(*loaded, *clients)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
