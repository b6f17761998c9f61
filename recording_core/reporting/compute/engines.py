"""Where are a report's expressions computed? DuckDB in this process, or Spark where you run it.

Ibis writes the SQL of one expression for either. DuckDB needs nothing to be set up; Spark takes
its address, memory and object storage from its own usual settings, such as `spark-defaults.conf`.
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from recording_core.errors import ConfigurationError, StorageError
from recording_core.reporting.collect.folder import shown_url
from recording_core.reporting.compute.functions import DUCKDB_MACROS
from recording_core.reporting.row_schema import arrow_schema, check_schema

if TYPE_CHECKING:
    import ibis
    import pyarrow

__all__ = ["DuckDB", "Engine", "Open", "Spark", "engine_named"]

_ENGINES = ("duckdb", "spark")
#: What the rows are called in the engine.
_ROWS = "recording_rows"
_GROUPS = "recording_groups"
_NEEDS = {"duckdb": ("duckdb", "ibis"), "spark": ("pyspark", "ibis")}
_INSTALL = {
    "duckdb": "pip install 'recording-core[report]'",
    "spark": "pip install 'recording-core[report,spark]', with Java 17",
}


class Open(Protocol):
    """Rows that lie open in an engine."""

    @property
    def schema(self) -> pyarrow.Schema:
        """Their Arrow schema; plugins' columns come after ours."""
        ...

    @property
    def rows_at_once(self) -> int | None:
        """How many rows' exact quantiles fit into memory at once; None: however many there are."""
        ...

    def hold(self, groups: pyarrow.Table) -> ibis.Table:
        """A small table beside the rows; the next one takes its place."""
        ...

    def run(self, expression: ibis.Table) -> pyarrow.Table:
        """What the expression over `rows_of(schema)` answers."""
        ...


class Engine(Protocol):
    """What computes a report."""

    def open(self, source: Any) -> AbstractContextManager[Open]:
        """Take the rows: Parquet files' addresses (any fsspec URL), or Arrow data."""
        ...


def rows_of(schema: pyarrow.Schema) -> ibis.Table:
    """The rows as an Ibis table that no engine holds yet."""
    return _named(_ROWS, schema)


def _named(name: str, schema: Any) -> Any:
    import ibis

    return ibis.table(ibis.Schema.from_pyarrow(schema), name=name)


def engine_named(engine: str | Engine) -> Engine:
    """`duckdb`, `spark`, or an engine as it is.

    Raises `ConfigurationError` for another word, and for one that is not installed: before an hour
    of collecting, not after.
    """
    if not isinstance(engine, str):
        return engine
    if engine not in _ENGINES:
        raise ConfigurationError(
            f"no engine is named {engine!r}; possible are {', '.join(_ENGINES)}"
        )
    for package in _NEEDS[engine]:
        if find_spec(package) is None:
            raise _not_installed(engine, package)
    return DuckDB() if engine == "duckdb" else Spark()


@contextmanager
def _needed(engine: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise _not_installed(engine, error.name or "a package") from None


def _not_installed(engine: str, package: str) -> ConfigurationError:
    return ConfigurationError(
        f"the engine {engine} needs {package}, which is not installed: {_INSTALL[engine]}"
    )


# -- what is read ---------------------------------------------------------------------------------


def _paths(source: Any) -> tuple[str, ...] | None:
    """The addresses of Parquet files; None for Arrow data."""
    if hasattr(source, "__arrow_c_stream__"):
        return None
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return (str(source),)
    if isinstance(source, Iterable):
        return tuple(str(each) for each in source)
    raise TypeError(
        "a report reads Arrow data or the addresses of Parquet files, not a "
        f"{type(source).__name__}"
    )


def _schema_of(paths: Iterable[str]) -> pyarrow.Schema:
    """One schema over all files: ours, and every column that a plugin added to one of them."""
    import fsspec
    import pyarrow as pa
    from pyarrow import parquet

    schema = arrow_schema()
    for path in paths:
        try:
            with fsspec.open(path, "rb") as file:
                found = parquet.read_schema(file)
        except (OSError, pa.ArrowException, ValueError, ImportError) as error:
            raise StorageError(
                f"{shown_url(path)} cannot be read as Parquet ({type(error).__name__}): take it "
                "out of the folder, and collect into that again"
            ) from error
        check_schema(found, shown_url(path))
        for each in found:
            known = schema.get_field_index(each.name)
            if known < 0:
                schema = schema.append(each)
            elif schema.field(known).type != each.type:
                raise ConfigurationError(
                    f"{shown_url(path)} holds the column {each.name!r} as {each.type}, "
                    f"and another file as {schema.field(known).type}: collect the folder anew"
                )
    return schema


# -- DuckDB ---------------------------------------------------------------------------------------

#: Bytes that a row takes while quantiles are gathered, and starts and ends sorted, without a spill.
_BYTES_A_ROW = 192


@frozen
class DuckDB:
    """DuckDB in this process. `settings` are its own, such as `memory_limit="1GiB"`."""

    settings: Mapping[str, Any] = field(factory=dict)

    @contextmanager
    def open(self, source: Any) -> Iterator[Open]:
        """The rows as a view, in a database that lives as long as the context."""
        with _needed("duckdb"):
            import duckdb
            import ibis  # noqa: F401  # said before any work is done
        paths = _paths(source)
        schema = _schema_of(paths) if paths is not None else _schema_of_arrow(source)
        with (
            tempfile.TemporaryDirectory(prefix="recordings-report-") as spill,
            _typed(duckdb),
            closing(duckdb.connect(config={"temp_directory": spill, **self.settings})) as con,
        ):
            con.execute("SET TimeZone = 'UTC'")
            con.execute("SET preserve_insertion_order = false")
            for macro in DUCKDB_MACROS:
                con.execute(macro)
            if paths is None:
                _take_arrow(con, source)
            else:
                _take_files(con, paths, schema)
            yield _InDuckDB(con, schema)


def _schema_of_arrow(source: Any) -> pyarrow.Schema:
    import pyarrow as pa

    schema = getattr(source, "schema", None)
    if not isinstance(schema, pa.Schema):
        schema = pa.RecordBatchReader.from_stream(source).schema
    check_schema(schema, "the Arrow data")
    return schema


def _take_arrow(con: Any, source: Any) -> None:
    import pyarrow as pa

    if isinstance(source, pa.Table):
        con.register(_ROWS, source)
        return
    # Read once, and copied: a report asks more than once, and a stream flows by.
    con.register("stream", pa.RecordBatchReader.from_stream(source))
    con.table("stream").create(_ROWS)
    con.unregister("stream")


def _take_files(con: Any, paths: tuple[str, ...], schema: pyarrow.Schema) -> None:
    import fsspec

    if not paths:
        con.register(_ROWS, schema.empty_table())
        return
    names, registered = [], set()
    for path in paths:
        system, inner = fsspec.core.url_to_fs(path)
        words = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
        if "file" in words:
            names.append(glob.escape(inner))
        else:
            if words[0] not in registered:
                con.register_filesystem(system)
                registered.add(words[0])
            names.append(glob.escape(system.unstrip_protocol(inner)))
    relation = con.read_parquet(names, union_by_name=True, hive_partitioning=False)
    relation.create_view(_ROWS)


@frozen
class _InDuckDB:
    _con: Any
    schema: Any

    @property
    def rows_at_once(self) -> int:
        [(limit,)] = self._con.execute("SELECT current_setting('memory_limit')").fetchall()
        return max(1, _in_bytes(limit) // _BYTES_A_ROW)

    def hold(self, groups: Any) -> Any:
        self._con.register(_GROUPS, groups)
        return _named(_GROUPS, groups.schema)

    def run(self, expression: Any) -> Any:
        import ibis

        return self._con.sql(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table()


def _in_bytes(text: str) -> int:
    """DuckDB writes `1.0 GiB`."""
    number, _, unit = text.partition(" ")
    powers = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}
    return int(float(number) * 1024 ** powers[unit])


@contextmanager
def _typed(duckdb: Any) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigurationError(
            f"the report does not fit into DuckDB's memory_limit ({_first_line(error)}): raise "
            "it, group by day, narrow the window, or use the engine spark"
        ) from error
    except duckdb.Error as error:
        raise StorageError(f"DuckDB cannot read the rows: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


# -- Spark ----------------------------------------------------------------------------------------


@frozen
class Spark:
    """Spark, in the session that `SparkSession.builder.getOrCreate()` gives."""

    @contextmanager
    def open(self, source: Any) -> Iterator[Open]:
        """The rows as a view of a session beside yours, whose settings stay as they are."""
        with _needed("spark"):
            import ibis
            from pyspark.sql import SparkSession

            ibis.pyspark  # noqa: B018  # its settings are registered when it is first named
        paths = _paths(source)
        schema = _schema_of(paths) if paths is not None else _schema_of_arrow(source)
        with _typed_spark():
            session = SparkSession.builder.getOrCreate().newSession()
            session.conf.set("spark.sql.session.timeZone", "UTC")
            session.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
            if paths:
                frame = session.read.option("mergeSchema", "true").parquet(*paths)
            else:
                import pyarrow as pa

                table = schema.empty_table() if paths is not None else pa.table(source)
                frame = session.createDataFrame(table)
            frame.createOrReplaceTempView(_ROWS)
            try:
                yield _InSpark(session, schema)
            finally:
                session.catalog.dropTempView(_ROWS)
                session.catalog.dropTempView(_GROUPS)


@contextmanager
def _typed_spark() -> Iterator[None]:
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise StorageError(f"Spark cannot read the rows: {_first_line(error)}") from error


@frozen
class _InSpark:
    _session: Any
    schema: Any
    rows_at_once: int | None = None

    def hold(self, groups: Any) -> Any:
        self._session.createDataFrame(groups).createOrReplaceTempView(_GROUPS)
        return _named(_GROUPS, groups.schema)

    def run(self, expression: Any) -> Any:
        import ibis

        return self._session.sql(str(ibis.to_sql(expression, dialect="pyspark"))).toArrow()
