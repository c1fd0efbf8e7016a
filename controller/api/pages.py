"""The pages: the hall, the key form in front of it, the API's own description, the problems."""

from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from controller.api.access import operations_of
from controller.api.auth import COOKIE_LIFETIME_MS, COOKIE_NAME, refuse_cross_site
from controller.api.dependencies import InRooms
from controller.api.guard import signed_in
from controller.api.openapi import OPENAPI_PATH, describe
from controller.api.problem_table import PROBLEMS
from controller.api.problems import ProblemError
from controller.web.labels import labels
from controller.web.rendering import render_page

router = APIRouter(include_in_schema=False)

LANGUAGE: Final = "en"


@router.get("/")
async def hall_page(request: Request, rooms: InRooms) -> Response:
    """The hall for an operator with a cookie, the key form for everybody else."""
    principal = await signed_in(request, rooms)
    if principal is None:
        return _login_page(rejected=False)
    words = labels(LANGUAGE)
    return HTMLResponse(
        render_page(
            "hall.html",
            labels=words,
            language=LANGUAGE,
            operator=principal.name,
            may=operations_of(principal),
        )
    )


@router.post("/login")
async def login(request: Request, rooms: InRooms) -> Response:
    """Take a key, once, and set the cookie that stands for it."""
    refuse_cross_site(request)
    form = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=4)
    given = rooms.given
    text = form.get("key", [""])[0].strip()
    key = given.gate.ring.holder_of(text) or await rooms.stored_keys.holder_of(text)
    if key is None:
        return _login_page(rejected=True)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        COOKIE_NAME,
        given.gate.cookies.issue(key, given.real_clock.wall_ms()),
        max_age=COOKIE_LIFETIME_MS // 1_000,
        httponly=True,
        samesite="strict",
        secure=given.secure_cookies,
    )
    return response


@router.post("/logout")
async def logout(request: Request, rooms: InRooms) -> Response:
    """Forget the cookie."""
    refuse_cross_site(request)
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(
        COOKIE_NAME, httponly=True, samesite="strict", secure=rooms.given.secure_cookies
    )
    return response


@router.get(OPENAPI_PATH)
async def openapi_document(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(describe(request.app))


@router.get("/docs")
async def docs_page(request: Request) -> Response:
    """The API's operations as one page, made from the OpenAPI document."""
    document = describe(request.app)
    return HTMLResponse(
        render_page(
            "docs.html",
            labels=labels(LANGUAGE),
            language=LANGUAGE,
            document=document,
            description=document["info"]["description"].replace("**", "").replace("`", ""),
            groups=_operations_by_tag(document),
            openapi_path=OPENAPI_PATH,
        )
    )


@router.get("/problems")
async def problems_page() -> Response:
    """Every problem type of this API."""
    kinds = sorted(PROBLEMS.values(), key=lambda kind: (kind.status, kind.code))
    return HTMLResponse(
        render_page("problems.html", labels=labels(LANGUAGE), language=LANGUAGE, kinds=kinds)
    )


@router.get("/problems/{code}")
async def problem_page(code: str) -> Response:
    """One problem type: the page a problem's ``type`` leads to."""
    kind = PROBLEMS.get(code)
    if kind is None:
        raise ProblemError("not-found")
    return HTMLResponse(
        render_page("problems.html", labels=labels(LANGUAGE), language=LANGUAGE, kinds=[kind])
    )


def _login_page(*, rejected: bool) -> Response:
    page = render_page("login.html", labels=labels(LANGUAGE), language=LANGUAGE, rejected=rejected)
    return HTMLResponse(page, status_code=401 if rejected else 200)


def _operations_by_tag(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            shown = {
                **operation,
                "method": method.upper(),
                "path": path,
                "body": _schema_name(operation.get("requestBody", {})),
                "answers": {
                    status: (answer["description"], _schema_name(answer))
                    for status, answer in operation["responses"].items()
                },
            }
            groups.setdefault(operation["tags"][0], []).append(shown)
    return groups


def _schema_name(holder: dict[str, Any]) -> str | None:
    """The name of the schema a body or an answer refers to."""
    for content in holder.get("content", {}).values():
        options = [content["schema"], *content["schema"].get("anyOf", ())]
        for reference in (option["$ref"] for option in options if "$ref" in option):
            return str(reference).rpartition("/")[2]
    return None
