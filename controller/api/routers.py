"""Every router of the API, in the order the document lists them."""

from typing import Final

from fastapi import APIRouter

from controller.api import (
    audit_routes,
    catalogue_pc_routes,
    chain_routes,
    command_routes,
    enrolment_routes,
    group_routes,
    key_routes,
    list_routes,
    order_routes,
    outage_routes,
    pc_routes,
    player_routes,
    query_routes,
    quote_routes,
    staff_routes,
    tariff_routes,
    webhook_routes,
    zone_routes,
)

API_ROUTERS: Final[tuple[APIRouter, ...]] = (
    command_routes.router,
    pc_routes.router,
    enrolment_routes.router,
    list_routes.router,
    order_routes.router,
    outage_routes.router,
    audit_routes.router,
    query_routes.router,
    webhook_routes.router,
    chain_routes.router,
    zone_routes.router,
    catalogue_pc_routes.router,
    tariff_routes.router,
    quote_routes.router,
    group_routes.router,
    player_routes.router,
    staff_routes.router,
    key_routes.router,
)
