"""Row schema: the columns of rows, and the conversion of recordings to Arrow and data frames."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from recording_core.errors import ConfigurationError, PluginError
from recording_core.model.entities import Recording
from recording_core.plugins.columns import Column
from recording_core.plugins.registry import load_registry

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: Incremented when a column changes its name, type or meaning.
SCHEMA_VERSION = 1
#: The metadata key of the version in an Arrow schema, and so in a Parquet file.
_VERSION_KEY = b"recording_core.row_schema"

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
#: Small enough that the recordings of a batch are released before the garbage collector moves them
#: to an old generation: batches of 8192 took a third longer. Also DuckDB's own vector size.
_BATCH = 2048

#: The columns of every row. Times are UTC. Null means that the vendor does not report the value.
COLUMNS = (
    Column("provider", "text", "the provider's name, as in `rec.providers()`"),
    Column("account", "text", "the account's name, as given to `connect(account=)`"),
    Column("recording_id", "text", "the vendor's id of the recording", attrgetter("id")),
    Column("kind", "text", "`call`, `conference` or `meeting`"),
    Column(
        "session_id",
        "text",
        "the id of the call, conference or meeting",
        lambda each: each.target.id if each.target is not None else None,
    ),
    Column("reference", "text", "the vendor's own id of that call, conference or meeting"),
    Column("status", "text", "the status, a `RecordingStatus`"),
    Column("provider_status", "text", "the vendor's own word for the status"),
    Column("started_at", "time", "when recording started"),
    Column("ended_at", "time", "when recording ended"),
    Column("created_at", "time", "when the vendor created the recording"),
    Column(
        "seconds",
        "seconds",
        "the duration, in seconds",
        lambda each: each.duration.total_seconds() if each.duration is not None else None,
    ),
    Column("bytes", "bytes", "the size, in bytes", attrgetter("size")),
    Column("format", "text", "the media's format, such as `mp3`"),
    Column("channels", "count", "the number of audio channels"),
    Column(
        "files", "count", "the number of files that can be downloaded", lambda each: len(each.files)
    ),
    Column("media_expires_at", "time", "when the vendor removes the media"),
    Column("deleted_at", "time", "when the recording was deleted"),
    Column("error", "text", "the vendor's reason if the recording failed"),
)


def load_declared_columns() -> tuple[Column, ...]:
    """Load the columns that installed plugins declare with `recording_report_columns`.

    A plugin whose hook raises, or whose columns are invalid or clash, is named in a `UserWarning`
    and ignored.
    """
    found: tuple[Column, ...] = ()
    for each in load_registry().manager.hook.recording_report_columns.get_hookimpls():
        try:
            # mypy: pluggy has no type for what a hook returns.
            found = _check_columns((*found, *each.function()))  # type: ignore[misc]
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a plugin may raise anything
            warnings.warn(
                f"The report columns of plugin {each.plugin_name} are ignored: "
                f"{type(error).__name__}: {error}",
                UserWarning,
                stacklevel=2,
            )
    return found


def _check_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Check a plugin's or caller's columns. Raises `PluginError` if they are invalid or clash."""
    columns = tuple(columns)
    taken = {column.name for column in COLUMNS}
    for column in columns:
        if not isinstance(column, Column):
            raise PluginError(f"A report column must be a Column, not {type(column).__name__}.")
        if column.read is None:
            raise PluginError(f"The report column {column.name!r} has no `read`.")
        if column.name in taken:
            raise PluginError(
                f"Two report columns are named {column.name!r}: rename the one that a plugin "
                "declares with recording_report_columns."
            )
        taken.add(column.name)
    return columns


def _import_library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = "'recording-core[report]'" if name == "pyarrow" else name
        raise ConfigurationError(
            f"This needs {name}, which is not installed: pip install {package}"
        ) from None


def build_arrow_types() -> dict[str, pyarrow.DataType]:
    """Return the Arrow type of each type of a column or measure."""
    pa = _import_library("pyarrow")
    return {
        "text": pa.string(),
        "words": pa.list_(pa.string()),
        "time": pa.timestamp("us", "UTC"),
        "seconds": pa.float64(),
        "number": pa.float64(),
        "bytes": pa.int64(),
        "count": pa.int64(),
    }


def build_arrow_schema(columns: Iterable[Column] = ()) -> pyarrow.Schema:
    """Build the Arrow schema of the rows: `COLUMNS` and then `columns`.

    Its metadata holds `SCHEMA_VERSION`. Raises `ConfigurationError` without pyarrow and
    `PluginError` for two columns of one name.
    """
    types = build_arrow_types()
    fields = [(each.name, types[each.type]) for each in (*COLUMNS, *_check_columns(columns))]
    metadata = {_VERSION_KEY: str(SCHEMA_VERSION).encode()}
    return _import_library("pyarrow").schema(fields, metadata=metadata)


def check_schema(schema: pyarrow.Schema, where: str) -> None:
    """Check that this version reads rows of that schema: `COLUMNS`, and maybe further columns.

    Raises `ConfigurationError` that names `where`, such as a Parquet file, and what to do.
    """
    version = (schema.metadata or {}).get(_VERSION_KEY)
    if version is None:
        raise ConfigurationError(
            f"{where} does not hold the rows of a report: it has another schema. Remove it from "
            "the folder, or name the folder that `recordings report --to` wrote."
        )
    ours, written = str(SCHEMA_VERSION), version.decode("ascii", "replace")
    if written != ours:
        advice = "collect again with `recordings report --to` and an empty folder."
        if written.isdigit() and int(written) > SCHEMA_VERSION:
            advice = "update recording-core."
        raise ConfigurationError(
            f"{where} holds rows of schema version {written}, but this version of recording-core "
            f"reads version {ours}: {advice}"
        )
    for wanted in build_arrow_schema():
        index = schema.get_field_index(wanted.name)
        if index < 0 or schema.field(index).type != wanted.type:
            has = "lacks it" if index < 0 else f"has {schema.field(index).type}"
            raise ConfigurationError(
                f"{where} does not hold the column {wanted.name!r} as {wanted.type} (it {has}), "
                f"although its schema version is {ours}. Another program has rewritten it: collect "
                "the folder again."
            )


def rows(
    recordings: Iterable[Recording], *, columns: Iterable[Column] = (), batch: int = _BATCH
) -> Rows:
    """Convert recordings, such as a list or a listing, to rows for data frames, lazily.

    The result has `to_pandas`, `to_polars`, `to_arrow`, and `__arrow_c_stream__`, so that
    `pyarrow.table(rows)`, `polars.DataFrame(rows)` and DuckDB read it. Iterating yields a dict per
    recording, and `batches()` yields Arrow record batches of at most `batch` rows. `columns` come
    after the columns of every row. Each reading iterates over the recordings again: a listing is
    swept again, and an iterator can be read once.

    Raises `ConfigurationError` without pyarrow and `PluginError` for columns that clash. Reading
    raises `PluginError` for a column whose `read` raises or returns another type, and the errors of
    the iterable.
    """
    if batch < 1:
        raise ValueError("batch must be at least 1")
    columns = _check_columns(columns)
    _import_library("pyarrow")
    return Rows(recordings, columns, batch)


class FrameSource:
    """What has an Arrow table, and converts it for pandas and polars."""

    __slots__ = ()

    def to_arrow(self) -> pyarrow.Table:
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table of `to_arrow` as a pandas data frame.

        Whole numbers are `Int64`, so that they stay whole next to null. pandas adds up nothing
        known to 0, unless you write `sum(min_count=1)`. Raises as `to_arrow`, and
        `ConfigurationError` without pandas.
        """
        pandas, arrow = _import_library("pandas"), _import_library("pyarrow")
        return self.to_arrow().to_pandas(types_mapper={arrow.int64(): pandas.Int64Dtype()}.get)

    def to_polars(self) -> polars.DataFrame:
        """Return the table of `to_arrow` as a polars data frame.

        polars adds up nothing known to 0: check `count()`. Raises as `to_arrow`, and
        `ConfigurationError` without polars.
        """
        frame: polars.DataFrame = _import_library("polars").from_arrow(self.to_arrow())
        return frame


@frozen
class Rows(FrameSource):
    """The result of `rows`: recordings as a stream that any Arrow reader accepts."""

    _recordings: Iterable[Recording] = field(repr=False)
    columns: tuple[Column, ...] = ()
    batch: int = _BATCH

    @property
    def schema(self) -> pyarrow.Schema:
        """The Arrow schema of every batch."""
        return build_arrow_schema(self.columns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a dict, which `pandas.DataFrame(rows)` reads."""
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_arrow(self) -> pyarrow.Table:
        """Return all rows as one Arrow table."""
        # Not through the C stream: it turns an error of a column into text with a traceback.
        return _import_library("pyarrow").Table.from_batches(self.batches(), self.schema)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows as Arrow record batches."""
        pa = _import_library("pyarrow")
        schema = self.schema
        columns = list(zip((*COLUMNS, *self.columns), schema.types, strict=True))
        source = iter(self._recordings)
        while chunk := list(islice(source, self.batch)):
            arrays = [_build_array(pa, column, type_, chunk) for column, type_ in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        pa = _import_library("pyarrow")
        reader = pa.RecordBatchReader.from_batches(self.schema, self.batches())
        return reader.__arrow_c_stream__(requested_schema)


def _build_array(pa: Any, column: Column, type_: Any, chunk: list[Recording]) -> Any:
    """Read a column's values from recordings. Raises `PluginError` if that fails."""
    try:
        values: Any = list(map(column.read or attrgetter(column.name), chunk))
        if column.type == "time":
            # By way of microseconds: Arrow takes three times as long for datetimes.
            values = [None if each is None else (each - _EPOCH) // _MICROSECOND for each in values]
            return pa.array(values, pa.int64()).cast(type_)
        if column.type == "number":
            # NaN and infinity become null, since JSON and sums cannot hold them.
            values = [each if each is None or isfinite(each) else None for each in values]
        try:
            return pa.array(values, type_)
        except UnicodeEncodeError:
            # JSON can contain a lone surrogate, which UTF-8 cannot; it becomes a question mark.
            return pa.array([each and replace_surrogates(each) for each in values], type_)
    except Exception as error:
        # The value is not quoted, since it may be a signed URL.
        raise PluginError(
            f"The report column {column.name!r} ({column.type}) cannot be read from a recording "
            f"({type(error).__name__}): correct its `read`."
        ) from error


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot contain, by question marks."""
    return text.encode("utf-8", "replace").decode()
