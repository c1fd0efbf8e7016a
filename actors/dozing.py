"""Waiting for an event, but not for ever."""

import asyncio


async def doze(event: asyncio.Event, at_most_s: float) -> None:
    """Return when the event is set or the time is over; afterwards the event is clear.

    A timer that sets the event costs a third of ``asyncio.timeout``, which has to cancel and to
    be told apart from being cancelled. Nobody else may wait for the event.
    """
    timer = asyncio.get_running_loop().call_later(at_most_s, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
    event.clear()
