"""The application, put together from what it is given. No globals, nothing opened on import."""

import secrets

from fastapi import FastAPI
from starlette.middleware import Middleware

from controller.api import health_routes, pages, pc_entrance
from controller.api.commands import CommandDesk
from controller.api.dependencies import ApiDependencies, Rooms
from controller.api.directory import Directory
from controller.api.editing import EditDesk
from controller.api.errors import install_problems
from controller.api.live import LiveHall
from controller.api.middleware import BodyLimit, Measured, SecurityHeaders
from controller.api.openapi import TITLE, VERSION
from controller.api.players import Players
from controller.api.refusals import Refusals
from controller.api.routers import API_ROUTERS
from controller.api.shedding import Shedding
from controller.api.stored_keys import StoredKeys
from controller.enrolment.office import EnrolmentOffice
from controller.lists.running import RunningSessions
from controller.web.rendering import static_files


def create_app(given: ApiDependencies) -> FastAPI:
    """The ASGI application: the API, the hall page, metrics and health."""
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would lead where the request's Host header says.
        redirect_slashes=False,
        middleware=[
            Middleware(Measured, metrics=given.metrics, clock=given.real_clock),
            Middleware(SecurityHeaders),
            Middleware(Shedding, limits=given.limits),
            Middleware(BodyLimit),
        ],
    )
    directory = Directory(given.store, given.real_clock)
    app.state.rooms = Rooms(
        given=given,
        directory=directory,
        players=Players(given.store, given.real_clock),
        desk=CommandDesk(given.gateway, given.clock),
        edits=EditDesk(given.store, given.clock, directory),
        refusals=Refusals(given.store, given.clock),
        stored_keys=StoredKeys(given.store),
        running=RunningSessions(given.store),
        office=EnrolmentOffice(given.store, given.real_clock, secrets.token_bytes),
        live=LiveHall(
            given.store,
            given.metrics,
            heartbeat_ms=given.heartbeat_ms,
            coalesce_ms=given.coalesce_ms,
        ),
    )
    install_problems(app)
    for router in API_ROUTERS:
        app.include_router(router)
    app.include_router(pc_entrance.router)
    app.include_router(health_routes.router)
    app.include_router(pages.router)
    app.mount("/static", static_files(), name="static")
    return app
