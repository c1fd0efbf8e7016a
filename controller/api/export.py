"""Writes what the API says of itself: ``python -m controller.api.export docs/openapi.json``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from controller.api.access import (
    OF_PLAYERS,
    OPERATION_PERMISSIONS,
    PART_PERMISSIONS,
    needed_of,
)
from controller.api.openapi import committed_form
from controller.api.problem_table import PROBLEMS
from controller.api.routers import API_ROUTERS
from schemas.access import ROLE_PERMISSIONS, Role


def openapi_document() -> str:
    """The OpenAPI document as committed."""
    app = FastAPI()
    for router in API_ROUTERS:
        app.include_router(router)
    return committed_form(app).decode()


def problems_markdown() -> str:
    """Every problem type, by status and code."""
    lines = [
        "# Problems",
        "",
        "Errors are `application/problem+json` (RFC 9457). `code` is stable; `type` is",
        "`/problems/<code>` on the server itself.",
        "",
        "| status | code | what it means |",
        "|---|---|---|",
    ]
    kinds = sorted(PROBLEMS.values(), key=lambda kind: (kind.status, kind.code))
    lines += [f"| {kind.status} | `{kind.code}` | {kind.title}. {kind.meaning} |" for kind in kinds]
    return "\n".join(lines) + "\n"


def access_markdown() -> str:
    """Who may do what: every operation, the permission it needs, the roles that have it."""
    lines = [
        "# Who may do what",
        "",
        "Every operation needs one permission, asked for before anything else is looked at.",
        "A key has its role's permissions, narrowed by its scopes and clubs; a bearer token",
        "brings its role and clubs as claims. What lies in another chain, another club or with",
        "another player answers as if it did not exist. A player acts in their own name only,",
        "and pays from the wallet; sees the tariffs that are active and sold in the app; changes",
        "`autoRenewal` of their own profile and nothing else; starts on a PC that is online only,",
        "as a kiosk does. The desk may start on any PC.",
        "",
        "Administrators edit what is configured; owners read it and change nothing. What concerns",
        "every club (the chain, new clubs, tariffs, groups, staff, keys, credit) is for those who",
        "have the whole chain. Nobody gives a role or a key with more than they have. Somebody",
        "with roles in single clubs has in each what the role there allows.",
        "",
        "| operation | permission | " + " | ".join(Role) + " |",
        "|---|---|" + "---|" * len(Role),
    ]
    for operation, permission in sorted(OPERATION_PERMISSIONS.items()):
        may = ("yes" if _may(role, operation) else "" for role in Role)
        of_players = OF_PLAYERS.get(operation)
        needed = permission if of_players is None else f"{permission}; of players {of_players}"
        lines.append(f"| {operation} | {needed} | " + " | ".join(may) + " |")
    lines += [
        "",
        "Parts of a request that take or give money need one of these besides:",
        "",
        "| part | permission | " + " | ".join(Role) + " |",
        "|---|---|" + "---|" * len(Role),
    ]
    for part, rights in sorted(PART_PERMISSIONS.items()):
        may = ("yes" if rights & ROLE_PERMISSIONS[role] else "" for role in Role)
        lines.append(f"| {part} | {' or '.join(sorted(rights))} | " + " | ".join(may) + " |")
    return "\n".join(lines) + "\n"


def _may(role: Role, operation: str) -> bool:
    needed = needed_of(operation, is_player=role is Role.PLAYER)
    return needed in ROLE_PERMISSIONS[role]


_WRITERS: Final[Mapping[str, Callable[[], str]]] = {
    "openapi.json": openapi_document,
    "problems.md": problems_markdown,
    "access.md": access_markdown,
}

if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(_WRITERS[path.name]())
