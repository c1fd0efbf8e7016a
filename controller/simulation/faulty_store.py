"""The store's twin behind a network that loses, repeats and delays, and hosts that die at it."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

from actors.store import OutcomeUnknownError, Store, StoreUnavailableError
from actors.store_memory import MemoryStore
from controller.simulation.swarm import CallFate
from controller.simulation.virtual_loop import NOWHERE, Process, at_once

GIVES_UP_S: Final = 1.0
LATE_BY_S: Final = 4.0
COMMIT: Final = "commit"

Operation = Callable[[], Coroutine[Any, Any, Any]]


class StoreNetwork:
    """Carries calls. ``fate_of`` decides about each: (process, method) -> fate."""

    def __init__(self, fate_of: Callable[[Process, str], CallFate]) -> None:
        self.fate_of = fate_of
        self.delay_s = 0.0
        self.crashed: Callable[[Process], None] = lambda _process: None
        self.closed = False
        self._unreachable_until_s: dict[str | None, float] = {}

    def store_of(self, process: Process, inner: MemoryStore) -> Store:
        """The store as one process reaches it."""
        return cast("Store", _FaultyStore(self, process, inner))

    def cut(self, host: str | None, until_s: float) -> None:
        """Nobody (or not this process) reaches the store until then."""
        self._unreachable_until_s[host] = until_s

    def heal(self) -> None:
        """Everybody reaches the store again."""
        self._unreachable_until_s.clear()
        self.delay_s = 0.0

    async def call(self, process: Process, name: str, operation: Operation) -> object:
        """One call by one process."""
        if self.closed:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        fate = self._fate(process, name, loop.time())
        if fate is CallFate.SERVED and not self.delay_s:
            return await operation()
        call = _Call(loop, operation, partial(self._crash, process), is_commit=name == COMMIT)
        there_s = process.random.random() * self.delay_s
        back_s = process.random.random() * self.delay_s
        _CARRIED[fate](call, there_s, back_s)
        return await call.answer

    def _fate(self, process: Process, name: str, now_s: float) -> CallFate:
        if self._unreachable_until_s:
            host = process.name.partition("#")[0]
            for key in (None, host):
                if self._unreachable_until_s.get(key, 0.0) > now_s:
                    return CallFate.REFUSED
        return self.fate_of(process, name)

    def _crash(self, process: Process) -> None:
        process.halted = True
        self.crashed(process)


class _Call:
    """One call on its way. The server's side runs in nobody's context."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        operation: Operation,
        crash: Callable[[], None],
        *,
        is_commit: bool,
    ) -> None:
        self.answer: asyncio.Future[object] = loop.create_future()
        self.crash = crash
        self._loop = loop
        self._operation = operation
        self._is_commit = is_commit

    def later(self, delay_s: float, step: Callable[[], None]) -> None:
        """Do a step on the server's side."""
        self._loop.call_later(delay_s, step, context=NOWHERE)

    def serve(self, back_s: float) -> None:
        """Do what was asked, and answer."""
        try:
            result = at_once(self._operation())
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self.later(back_s, partial(self._fail, error))
        else:
            self.later(back_s, partial(self._succeed, result))

    def apply(self) -> None:
        """Do what was asked; the answer goes nowhere."""
        at_once(self._operation())

    def fail(self) -> None:
        """The caller gives up."""
        self._fail(
            OutcomeUnknownError("lost") if self._is_commit else StoreUnavailableError("lost")
        )

    def refuse(self) -> None:
        """The caller finds nobody there."""
        self._fail(StoreUnavailableError("refused"))

    def _succeed(self, result: object) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def _fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _served(call: _Call, there_s: float, back_s: float) -> None:
    call.later(there_s, partial(call.serve, back_s))


def _refused(call: _Call, there_s: float, _back_s: float) -> None:
    call.later(there_s, call.refuse)


def _request_lost(call: _Call, there_s: float, _back_s: float) -> None:
    call.later(there_s + GIVES_UP_S, call.fail)


def _answer_lost(call: _Call, there_s: float, _back_s: float) -> None:
    call.later(there_s, call.apply)
    call.later(there_s + GIVES_UP_S, call.fail)


def _late(call: _Call, there_s: float, _back_s: float) -> None:
    call.later(there_s + GIVES_UP_S, call.fail)
    call.later(there_s + LATE_BY_S, call.apply)


def _twice(call: _Call, there_s: float, back_s: float) -> None:
    call.later(there_s, call.apply)
    call.later(there_s + back_s, partial(call.serve, back_s))


def _crash_before(call: _Call, _there_s: float, _back_s: float) -> None:
    call.crash()


def _crash_after(call: _Call, there_s: float, _back_s: float) -> None:
    call.later(there_s, call.apply)
    call.crash()


_CARRIED: Final = {
    CallFate.SERVED: _served,
    CallFate.REFUSED: _refused,
    CallFate.REQUEST_LOST: _request_lost,
    CallFate.ANSWER_LOST: _answer_lost,
    CallFate.LATE: _late,
    CallFate.TWICE: _twice,
    CallFate.CRASH_BEFORE: _crash_before,
    CallFate.CRASH_AFTER: _crash_after,
}
"""Fate -> how a call with that fate is carried."""


class _FaultyStore:
    """Every coroutine method of the twin, by way of the network."""

    def __init__(self, network: StoreNetwork, process: Process, inner: MemoryStore) -> None:
        self._network = network
        self._process = process
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        def called(*args: object, **kwargs: object) -> Coroutine[Any, Any, object]:
            return self._network.call(self._process, name, partial(method, *args, **kwargs))

        self.__dict__[name] = called
        return called
