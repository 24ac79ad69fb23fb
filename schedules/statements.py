"""Statements that SQLAlchemy writes differently for each database."""

from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, Text, cast, func, literal
from sqlalchemy.dialects import postgresql, sqlite


def insert(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def wrote(connection: Connection, statement: Any) -> bool:
    """Whether an INSERT of one row wrote it, or met a conflict and did nothing."""
    done = connection.execute(statement, execution_options={"preserve_rowcount": True})
    return bool(done.rowcount == 1)


def elements(connection: Connection, array: str) -> ColumnElement[str]:
    """The column of the strings in ``array``, a JSON array: many values, one parameter."""
    if connection.dialect.name == "postgresql":
        values = func.json_array_elements_text(cast(literal(array, Text), JSON))
        return values.table_valued("value").c.value
    return func.json_each(literal(array, Text)).table_valued("value").c.value
