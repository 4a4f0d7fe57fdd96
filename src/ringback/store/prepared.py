"""Statements that are written once and run often.

Building and compiling a statement costs far more than SQLite needs to run it, so the hot ones are compiled at start
and handed to the driver as text. They stay SQLAlchemy's statements: both databases are served by one definition.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import ClauseElement, Select


class Prepared:
    """One statement for one driver; its parameters are named by ``bindparam`` or by column.

    Args:
        statement: An INSERT, UPDATE, DELETE or SELECT whose types need no conversion (numbers, text, octets).
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order: Sequence[str] | None = compiled.positiontup
        self.columns = tuple(compiled.positiontup or compiled.params)
        """Parameters in the order in which ``write`` takes them."""

        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._error: Any = dialect.loaded_dbapi.Error
        self._row: Any = tuple
        if isinstance(statement, Select):
            make: Any = namedtuple
            self._row = make("row", statement.selected_columns.keys())._make

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Execute; returns how many rows it touched."""
        cursor = self._execute(connection, values)
        touched = int(cursor.rowcount)
        cursor.close()
        return touched

    def write(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Execute once per row, whose values are in the order of ``columns``."""
        cursor = connection.connection.cursor()
        try:
            if self._order is None:
                cursor.executemany(self._text, [dict(zip(self.columns, row, strict=True)) for row in rows])
            elif len(rows) == 1:
                cursor.execute(self._text, rows[0])
            else:
                cursor.executemany(self._text, rows)
        except self._error as error:
            raise DBAPIError.instance(self._text, None, error, self._error) from error
        finally:
            cursor.close()

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Every row of a SELECT, with its columns as attributes."""
        cursor = self._execute(connection, values)
        rows = [self._row(row) for row in cursor.fetchall()]
        cursor.close()
        return rows

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Any | None:
        """The first row of a SELECT, or ``None``."""
        cursor = self._execute(connection, values)
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else self._row(row)

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        if self._fixed:
            values = {**self._fixed, **values}
        parameters = values if self._order is None else [values[name] for name in self._order]
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._text, parameters)
        except self._error as error:
            raise DBAPIError.instance(self._text, None, error, self._error) from error
        return cursor
