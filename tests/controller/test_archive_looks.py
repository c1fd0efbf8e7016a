"""A look at a part of the audit reads that part, and not all of it, on either database."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from databases_under_test import Urls
from sqlalchemy import Connection, create_engine, event, insert, text

from controller.archive import open_archive, tables
from controller.archive.audit_rows import AuditFilter, audit_page

ENTRIES: Final = 20_000
"""Of one chain, one a second; another chain has as many."""
PAGE: Final = 500
A_MINUTE: Final = AuditFilter(from_ms=9_000_000, until_ms=9_060_000)
"""In the middle of the past."""
EXPLAIN: Final = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
LOOKS: Final = [
    pytest.param(A_MINUTE, "audit_by_time", 60, id="by time"),
    pytest.param(AuditFilter(principal="key:desk-3"), "audit_by_principal", PAGE, id="by whom"),
    pytest.param(AuditFilter(club_id="club-1"), "audit_by_club", PAGE, id="in a club"),
]


@pytest.fixture
def connection(sql_urls: Urls) -> Iterator[Connection]:
    """To an archive with a long audit."""
    url = sql_urls("archive")
    open_archive(url).close()
    engine = create_engine(url)
    rows = [
        {
            "chain_id": chain_id,
            "place_ms": number * 1_000 + 7,
            "place_no": 0,
            "at_ms": number * 1_000,
            "club_id": f"club-{number % 3}",
            "principal": f"key:desk-{number % 40}",
            "operation": "top_up_wallet",
            "result": "ok",
            "document": b"{}",
        }
        for chain_id in ("c", "other")
        for number in range(ENTRIES)
    ]
    with engine.begin() as opened:
        opened.execute(insert(tables.audit), rows)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _plan(connection: Connection, wanted: AuditFilter) -> tuple[str, int]:
    """How the database finds a page, in its own words, and how many entries it finds."""
    asked: list[tuple[str, Any]] = []

    def noted(_connection: object, _cursor: object, statement: str, *rest: Any) -> None:
        asked.append((statement, rest[0]))

    event.listen(connection, "before_cursor_execute", noted)
    found = audit_page(connection, "c", wanted, before=None, count=PAGE)
    event.remove(connection, "before_cursor_execute", noted)
    ((statement, parameters),) = asked
    explained = EXPLAIN[connection.dialect.name] + statement
    rows = connection.exec_driver_sql(explained, parameters).all()
    return "\n".join(str(row) for row in rows), len(found)


@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize(("wanted", "index", "entries"), LOOKS)
def test_a_look_at_the_audit_goes_by_its_index(
    connection: Connection, wanted: AuditFilter, index: str, entries: int, *, analysed: bool
) -> None:
    if analysed:
        connection.execute(text("ANALYZE"))
    plan, found = _plan(connection, wanted)
    assert index in plan
    assert found == entries
