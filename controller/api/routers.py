"""Every router of the API, in the order the document lists them."""

from typing import Final

from fastapi import APIRouter

from controller.api import (
    audit_routes,
    command_routes,
    enrolment_routes,
    order_routes,
    pc_routes,
    query_routes,
    webhook_routes,
)

API_ROUTERS: Final[tuple[APIRouter, ...]] = (
    command_routes.router,
    pc_routes.router,
    enrolment_routes.router,
    order_routes.router,
    audit_routes.router,
    query_routes.router,
    webhook_routes.router,
)
