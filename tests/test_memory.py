"""Does an answer without end stay within its bound? At every vendor, for a read and for a start."""

from __future__ import annotations

import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat

import pytest

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator

MIB = 1024 * 1024
#: What answers may cost, in bytes: `HttpSettings.max_json_bytes` and some, also while the error of
#: an earlier one is kept.
BOUND = 40 * MIB
GIGABYTE = 1_000_000_000


def _json() -> Iterator[bytes]:
    """A gigabyte of a list that would be right, were it ever to end."""
    block = b'{"id": "an-id", "status": "a-status", "name": "a-name"},' * 1200
    return chain([b'{"objects": [', block], repeat(block, GIGABYTE // len(block)))


def _bomb() -> Iterator[bytes]:
    """A gigabyte of spaces in one megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands for itself: the same one comes again and again.
    block = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    yield from repeat(block, GIGABYTE // MIB)


#: its headers, and its bytes
ENDLESS = {
    "a gigabyte of JSON": (f"Content-Length: {GIGABYTE}", _json),
    "a bomb": ("Connection: close\r\nContent-Encoding: gzip", _bomb),
}


@contextmanager
def answering(what: str) -> Iterator[str]:
    """An origin whose every answer is that."""
    headers, make = ENDLESS[what]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return  # closed: it is over
                with client:
                    client.recv(65536)
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n\r\n"
                    try:
                        client.sendall(head.encode())
                        for block in make():
                            client.sendall(block)
                    except OSError:
                        pass  # who asked has had enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("what", ENDLESS)
@pytest.mark.parametrize("name", rec.providers())
def test_no_answer_takes_more_memory_than_its_bound(name: str, what: str) -> None:
    """T7."""
    kind: type[Emulator] = load_object(rec.providers()[name], "emulator")
    with kind() as emulator, answering(what) as origin:
        url = origin + emulator.prefix
        one = rec.HttpSettings(workers=1)  # each worker may hold one answer
        with rec.connect(name, base_url=url, http=one, **emulator.credentials) as provider:
            target = emulator.sessions[0]
            tracemalloc.start()
            try:
                with pytest.raises(rec.MalformedPayload, match="max_json_bytes"):
                    list(provider.list())
                with pytest.raises(rec.OutcomeUnknown, match="max_json_bytes"):
                    provider.start(target)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak < BOUND, f"{peak / MIB:.0f} MiB"


def test_the_bomb_is_one() -> None:
    blocks = list(_bomb())
    assert sum(map(len, blocks)) < 2 * MIB
    assert len(zlib.decompressobj(31).decompress(b"".join(blocks[:9]))) == 8 * MIB
