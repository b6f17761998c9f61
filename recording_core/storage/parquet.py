"""Parquet: encode a table, and open a file at any fsspec URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recording_core.errors import StorageError
from recording_core.storage.file_systems import redact_file_url

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet


def encode_parquet(table: pyarrow.Table) -> bytes:
    """Encode a table as one Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


def count_rows(data: bytes) -> int:
    """Count the rows that the footer of a Parquet file states."""
    import pyarrow as pa
    from pyarrow import parquet

    rows: int = parquet.read_metadata(pa.BufferReader(data)).num_rows
    return rows


@contextmanager
def open_parquet(path: str) -> Iterator[parquet.ParquetFile]:
    """Open a Parquet file. Raises `StorageError` if it cannot be opened or read in the context."""
    import fsspec
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with fsspec.open(path, "rb") as file:
            yield parquet.ParquetFile(file)
    except (OSError, pa.ArrowException, ValueError, ImportError) as error:
        raise StorageError(
            f"{redact_file_url(path)} cannot be read as Parquet ({type(error).__name__}): "
            "remove it from the folder and collect again."
        ) from error
