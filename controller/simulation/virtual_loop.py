"""An event loop in which time is a number and a process can be stopped between two steps.

Nothing waits: when no callback is ready, time jumps to the next timer. What asyncio would do in
a thread is done at once. Every callback belongs to the simulated process in whose context it was
scheduled; the callbacks of a halted process are held back, which is what SIGSTOP does, and for
ever, which is what SIGKILL does.
"""

import asyncio
import contextvars
import heapq
import itertools
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Process:
    """One simulated process: its own randomness, its own context, running or halted."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.random = random
        self.halted = False
        self.held: list[asyncio.Handle] = []
        self.context = contextvars.Context()
        self.context.run(_PROCESS.set, self)

    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run something as this process, now."""
        return self.context.copy().run(function, *args, **kwargs)

    def spawn(self, coroutine: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run a task as this process."""
        loop = asyncio.get_running_loop()
        return loop.create_task(coroutine, context=self.context.copy())


_PROCESS: Final = contextvars.ContextVar[Process | None]("process", default=None)
NOWHERE: Final = contextvars.Context()
"""The context of what belongs to no process: servers, networks, fate."""


ROUNDS_PER_INSTANT_MAX: Final = 20_000


class DeadlockError(Exception):
    """Everything waits for something that nobody will do."""


class LivelockError(Exception):
    """Something is busy for ever without letting time pass."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. ``time`` is seconds since the simulation began.

    A seed is thousands of callbacks that do little, so scheduling is written for speed: timers
    are kept as plain tuples, in the order they were made where they are due at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._ready: Any
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self.set_exception_handler(self._defect)
        self.defects: list[str] = []
        self._holding: dict[Process, None] = {}
        self._ending = False
        self._rounds = 0
        self._alive: set[asyncio.Task[Any]] = set()

    def time(self) -> float:
        """Simulated seconds."""
        return self._now_s

    def create_task(
        self,
        coro: Any,  # noqa: ANN401 - as the base class has it
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        """As usual, but kept alive: what a dead process was doing must not be tidied up."""
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        self._alive.add(task)
        task.add_done_callback(self._alive.discard, context=NOWHERE)
        return task

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as the base class has it
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """As usual."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as the base class has it
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As usual."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - as the base class has it
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As usual."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its instant comes."""

    def thaw(self, process: Process) -> None:
        """Let a halted process go on with what was held back."""
        process.halted = False
        self._holding.pop(process, None)
        self._ready.extend(process.held)
        process.held.clear()

    def thaw_all(self) -> None:
        """Let every process go on, the dead ones too: the end of a simulation."""
        self._ending = True
        for process in list(self._holding):
            self.thaw(process)

    def run_in_executor(
        self, executor: object, func: Callable[..., _T], *args: object
    ) -> asyncio.Future[_T]:
        """Do it here and now: a thread would bring its own order of events."""
        del executor
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits the future gets it
            future.set_exception(error)
        return future

    def _defect(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.defects.append(f"{context['message']}: {context.get('exception')!r}")

    def _run_once(self) -> None:
        self._collect_due()
        ready = self._ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - a loop works with its own handles
                continue
            context = handle._context  # noqa: SLF001
            process = context.get(_PROCESS)
            if process is not None and process.halted and not self._ending:
                process.held.append(handle)
                self._holding[process] = None
                continue
            try:
                context.run(handle._callback, *handle._args)  # noqa: SLF001
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio's own handles do
                self.call_exception_handler({"message": repr(handle), "exception": error})

    def _collect_due(self) -> None:
        timers, ready = self._timers, self._ready
        if ready:
            self._rounds += 1
            if self._rounds > ROUNDS_PER_INSTANT_MAX:
                self._rounds = 0
                raise LivelockError(f"{len(ready)} ready at {self._now_s} s")
        else:
            self._rounds = 0
            while timers and timers[0][2]._cancelled:  # noqa: SLF001
                heapq.heappop(timers)
            if not timers:
                raise DeadlockError
            self._now_s = max(self._now_s, timers[0][0])
        now_s = self._now_s
        while timers and timers[0][0] <= now_s:
            ready.append(heapq.heappop(timers)[2])

    def _process_events(self, event_list: list[Any]) -> None:
        """No file descriptors here."""

    def _write_to_self(self) -> None:
        """No selector to wake."""


def at_once(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine that never waits to its end."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        result: _T = finished.value
        return result
    coroutine.close()
    raise AssertionError("it waits")
