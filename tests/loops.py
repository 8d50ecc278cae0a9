"""Event loops of several kinds, and an asyncio client that a test of the blocking client can use in its place.

`Blocking` runs every coroutine method of an `AsyncClient` in an event loop of another thread and waits for it there, so
that one text of a test serves both clients.
"""

import asyncio
import atexit
import inspect
import threading
from collections.abc import Callable, Coroutine
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

import fastmodbus as fm

T = TypeVar("T")
PATIENCE_SECONDS = 60.0
_BEGINNING = threading.Lock()


class WithoutWatching(asyncio.SelectorEventLoop):
    """A loop that cannot watch sockets, as the proactor of Windows cannot."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError

    add_writer = add_reader


def _uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is missing")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


KINDS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "selector": asyncio.SelectorEventLoop,
    "protocol": WithoutWatching,
    "uvloop": _uvloop,
}


def run(test: Coroutine[Any, Any, T], kind: str = "selector") -> T:
    """Run a test's coroutine in a loop of its own, for a bounded time."""
    runner = asyncio.Runner(loop_factory=KINDS[kind], debug=False)
    try:
        runner.get_loop()
    except BaseException:
        test.close()  # the kind is missing
        raise

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await test

    with runner:
        return runner.run(bounded())


def background(kind: str) -> asyncio.AbstractEventLoop:
    """A loop that runs in a thread of its own until the tests are over; the same for all threads that ask."""
    with _BEGINNING:
        return _started(kind)


@cache
def _started(kind: str) -> asyncio.AbstractEventLoop:
    loop = KINDS[kind]()
    thread = threading.Thread(target=loop.run_forever, name=f"loop {kind}", daemon=True)
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)
        loop.close()

    atexit.register(stop)
    return loop


class Blocking:
    """An asyncio client with the manners of the blocking one."""

    kind = "selector"

    def __init__(self, *args: Any, **options: Any) -> None:
        self._of(fm.AsyncClient(*args, **options))

    def _of(self, client: fm.AsyncClient) -> Self:
        self._client = client
        self._loop = background(self.kind)
        return self

    @classmethod
    def opened(cls, url: str, **options: Any) -> Self:
        """What `fm.connect` is."""
        client = _wait(background(cls.kind), fm.connect_async(url, **options))
        return cls.__new__(cls)._of(client)

    def at(self, *args: Any, **options: Any) -> Self:
        return type(self).__new__(type(self))._of(self._client.at(*args, **options))

    def connect(self) -> Self:
        _wait(self._loop, self._client.connect())
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **options: _wait(self._loop, found(*args, **options))

    def __repr__(self) -> str:
        return repr(self._client).replace("AsyncClient", "Client")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BlockingProtocol(Blocking):
    """The same in a loop that cannot watch sockets."""

    kind = "protocol"


#: What stands in for the blocking client, by the name of the kind.
STAND_INS: dict[str, type[Blocking] | None] = {
    "blocking": None,
    "asyncio": Blocking,
    "protocol": BlockingProtocol,
    "tls": None,
}
#: For `CLIENTS` of test modules.
BOTH = ("blocking", "asyncio")
ALL_CARRIERS = ("blocking", "asyncio", "protocol")


def _wait(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    call = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return call.result()
    except BaseException:
        call.cancel()  # nothing when it is over; else a signal came
        raise
