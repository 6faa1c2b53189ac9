"""A stored table as a value: its name, grain and columns, from which DDL, docs and Dagster schemas are made."""

from dataclasses import dataclass
from typing import Protocol


class Relation(Protocol):
    """What all stored tables have: a name, what a row is, and the DATE column that a daily window replaces, if there is one."""

    @property
    def name(self) -> str: ...
    @property
    def grain(self) -> str: ...
    @property
    def partition(self) -> str | None: ...
    @property
    def schema(self) -> str: ...


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type and what it means (with its unit)."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Wide:
    """A stored table whose columns follow the pack of the home: `packs.schema` has them."""

    name: str
    grain: str
    partition: str | None = None

    @property
    def schema(self) -> str:
        """The layer the table lives in: the part of its name before the dot."""
        return self.name.split(".")[0]


@dataclass(frozen=True)
class Table:
    """One stored table with its columns."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    partition: str | None = None

    @classmethod
    def of(cls, wide: Wide, *columns: Column) -> "Table":
        """A wide table with the columns that a pack gives it."""
        return cls(wide.name, wide.grain, columns, wide.partition)

    @property
    def schema(self) -> str:
        """As of a wide one."""
        return self.name.split(".")[0]

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    def ddl(self) -> str:
        """`create table if not exists` for this table."""
        body = ", ".join(
            f'"{column.name}" {column.type}{" not null" if column.name == self.partition else ""}' for column in self.columns
        )
        return f"create table if not exists {self.name} ({body})"
