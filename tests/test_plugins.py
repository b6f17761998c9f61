"""Are installed plugins found, and does a broken one harm no other?

Each test puts small distributions on the path as an installer would: a module, and beside it the
metadata that names its entry point. What comes with us (plivo, realtimekit) is installed beside.
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

OURS = {"audian", "plivo", "realtimekit", "voipbin"}
SESSION = rec.RecordingSession("plivo", "default", "some-id", rec.call("some-call"))

#: A plugin module that is right.
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
    """`install(name, code)`: one more distribution on the path, with a plugin of that code."""
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


def warned() -> list[str]:
    """What discovery warns of, each time that it runs."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rec.providers()
        rec.providers()
    assert all(each.category is UserWarning for each in caught)
    return [str(each.message) for each in caught]


def test_a_provider_is_listed_beside_ours(install: Install) -> None:
    install("alpha")
    assert warned() == []
    found = rec.providers()
    assert set(found) >= {"alpha", *OURS}
    assert list(found) == sorted(found)
    assert found["alpha"].settings[0].secret


#: What can be wrong with a plugin, and a piece of the text that says so.
BROKEN = {
    "it cannot be imported": (
        "import a_module_that_nobody_has",
        "ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
    ),
    "its code is no Python": ("def (:", "SyntaxError"),
    "it ends the program": ("raise SystemExit('good bye')", "SystemExit: good bye"),
    "its hook fails": (
        GOOD.replace("return INFO", "raise RuntimeError('out of order')"),
        "RuntimeError: out of order",
    ),
    "it answers a text": (GOOD.replace("return INFO", "return 'acme'"), "answers a str"),
    "it answers nothing": (GOOD.replace("return INFO", "return None"), "declares 0 providers"),
    "it has no hook": ("X = 1", "declares 0 providers"),
    "it calls itself by another name": (
        GOOD.replace('name="{name}"', 'name="omega"'),
        "calls itself 'omega'",
    ),
    "its hook is misspelt": (
        GOOD.replace("def recording_provider", "def recording_provder"),
        "unknown hook 'recording_provder'",
    ),
    "one of its hooks is misspelt": (
        f"{GOOD}\n@hookimpl\ndef recording_evnt(event):\n    pass\n",
        "unknown hook 'recording_evnt'",
    ),
    "its hook wants what there is not": (
        f"{GOOD}\n@hookimpl\ndef recording_event(happening):\n    pass\n",
        "happening",
    ),
    "its client is no path": (
        GOOD.replace('client="{module}:Nowhere"', 'client="nowhere"'),
        "it must read 'module:name'",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_named_once_and_harms_no_other(what: str, install: Install) -> None:
    code, why = BROKEN[what]
    install("alpha")
    install("broken", code)
    said = warned()
    assert len(said) == 1, said
    assert "'broken'" in said[0]
    assert "recording-broken" in said[0]
    assert why in said[0]
    assert "broken" not in rec.providers()
    assert set(rec.providers()) >= {"alpha", *OURS}
    for _ in range(2):
        with pytest.raises(rec.PluginError) as caught:
            rec.connect("broken", key="some-key")
        assert why in str(caught.value)
    rec.connect("plivo", auth_id="some-id", auth_token="some-token").close()


def test_two_distributions_that_claim_one_name_are_both_refused(install: Install) -> None:
    # A name decides who is handed the credentials.
    install("plivo", distribution="recording-plivo-by-somebody-else")
    install("alpha")
    said = warned()
    assert len(said) == 1
    assert "plivo" not in rec.providers()
    assert {"alpha", "realtimekit"} <= set(rec.providers())
    with pytest.raises(rec.PluginError) as caught:
        rec.connect("plivo", auth_id="some-id", auth_token="some-token")
    for owner in ("recording-plivo ", "recording-plivo-by-somebody-else"):
        assert owner in str(caught.value)
        assert owner in said[0]


def test_one_distribution_seen_twice_counts_once(install: Install) -> None:
    # An editable install and its leftovers; a folder that stands on the path under two names.
    install("alpha", distribution="recording-alpha")
    install("alpha", distribution="Recording_Alpha")
    assert warned() == []
    assert "alpha" in rec.providers()


def test_a_distribution_without_a_name_harms_no_other(install: Install) -> None:
    """What an interrupted uninstall leaves: entry points, and nothing that says whose."""
    site = install("alpha")
    (next(site.glob("*.dist-info")) / "METADATA").unlink()
    load_registry.cache_clear()
    assert set(rec.providers()) >= {"alpha", *OURS}


def test_where_warnings_are_errors_the_others_load_all_the_same(install: Install) -> None:
    install("broken", "import a_module_that_nobody_has")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(rec.providers()) >= OURS
    with pytest.raises(rec.PluginError):
        rec.connect("broken")


def test_a_plugin_may_have_hooks_and_no_provider(install: Install) -> None:
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
    assert warned() == []
    assert "watcher" not in rec.providers()
    notify_plugins("recording_session_changed", session=SESSION, previous=None)
    watcher = load_registry().manager.get_plugin("watcher")
    assert watcher is not None
    assert watcher.seen == [(SESSION, None)]


def test_a_broken_plugins_other_hooks_never_run(install: Install) -> None:
    install(
        "broken",
        """
        from recording_core.plugin import hookimpl

        @hookimpl
        def recording_provider():
            return "no ProviderInfo"

        @hookimpl
        def recording_session_changed(session, previous):
            raise AssertionError("it was refused")
        """,
    )
    with pytest.warns(UserWarning, match="broken"):
        assert notify_plugins("recording_session_changed", session=SESSION, previous=None) == []


def test_what_an_announcing_hook_raises_is_logged_and_changes_no_verb(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(
        "grumbler",
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
        assert record.getMessage() == "plugin grumbler failed in recording_session_changed"
        assert "ZeroDivisionError: on purpose" in caplog.text


def test_every_plugin_is_told_although_another_failed(install: Install) -> None:
    grumble = """
    from recording_core.plugin import hookimpl

    seen = []

    @hookimpl
    def recording_session_changed(session):
        seen.append(session)
        raise ZeroDivisionError
    """
    install("one", grumble)
    install("two", grumble)
    raised = notify_plugins("recording_session_changed", session=SESSION, previous=None)
    assert [type(error) for error in raised] == [ZeroDivisionError, ZeroDivisionError]
    for name in ("one", "two"):
        plugin = load_registry().manager.get_plugin(name)
        assert plugin is not None
        assert plugin.seen == [SESSION]


def test_a_client_that_cannot_be_imported_is_the_providers_own_fault(install: Install) -> None:
    install("alpha")
    with pytest.raises(rec.PluginError, match="Nowhere"):
        rec.connect("alpha", key="some-key")
    install("beta", GOOD + "\nclass Nowhere:\n    pass\n")
    with pytest.raises(rec.PluginError, match="no Provider"):
        rec.connect("beta", key="some-key")


def test_a_name_that_nobody_has_says_what_there_is() -> None:
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
