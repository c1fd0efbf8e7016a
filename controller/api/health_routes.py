"""For whoever keeps the process alive, and for Prometheus. No key: bind these to loopback."""

from fastapi import APIRouter, Response

from actors.store import StoreUnavailableError
from controller.api.dependencies import InRooms
from controller.api.problems import ProblemError
from controller.metrics import MEDIA_TYPE, exposition

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(rooms: InRooms, response: Response) -> dict[str, str]:
    """The process can serve: the store answers. 503 while it does not."""
    try:
        await rooms.given.store.chains()
    except StoreUnavailableError:
        response.status_code = 503
        return {"status": "store-unavailable"}
    return {"status": "ready"}


@router.get("/metrics")
async def metrics(rooms: InRooms) -> Response:
    """This process's figures and every host's, in the Prometheus text format."""
    if not rooms.given.serves_metrics:
        raise ProblemError("not-found")
    text = await exposition(rooms.given.metrics, rooms.given.store)
    return Response(text, media_type=MEDIA_TYPE)
