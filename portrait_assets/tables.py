"""A stored table as a value: its name, grain and columns, from which DDL, docs and Dagster schemas are made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its name, DuckDB type and what it means (with its unit)."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One stored table. `partition` names the DATE column that a daily window replaces, if there is one."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    partition: str | None = None

    @property
    def schema(self) -> str:
        """The layer the table lives in: the part of its name before the dot."""
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
