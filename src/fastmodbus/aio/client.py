"""The asyncio client: every method of the blocking one, awaited. It holds no protocol rule.

What a method does is in `calls` and `tagcalls`; here it is run on the link, which the views and tasks of a loop share.
"""

from __future__ import annotations

from typing import Any

from .. import options
from ..settings import Settings
from .functions import Functions
from .link import Link
from .named import Named
from .polled import Polled
from .tables import Tables


class AsyncClient(Named, Polled, Tables, Functions):
    """A Modbus client for asyncio: one connection, kept open, many requests in flight.

    It has the options of `Client` and its methods, awaited. It connects at the first call and again after a loss. The
    tasks of one event loop may share it; their calls share the window. A call that is cancelled leaves the connection
    right: what of it was not sent is not, and what is still answered is dropped.

    Parameters
    ----------
    host : str
        Name or address, IPv4 or IPv6.
    port : int, default 502, over TLS 802
    map, learnt, options
        Those of `Client`.

    Raises
    ------
    TypeError, ValueError
        An option is unknown, of the wrong type or out of range.

    Notes
    -----
    A client belongs to the event loop in which it is used first; in another one it raises `WrongEventLoop`.
    """

    def __init__(
        self, host: str, port: int | None = None, *, map: Any = None, learnt: Any = None, **given: Any
    ) -> None:
        settings = Settings.of_client(host, port, map, learnt, given)
        where = settings.default.where
        self._link = Link(where.host, where.port, settings.options)
        self._set_up(settings)

    def at(self, unit: int, *, map: Any = None, learnt: Any = None, **given: Any) -> AsyncClient:
        """A view of another unit behind the same connection, with options, a map and learnt facts of its own.

        Raises
        ------
        TypeError
            An option that belongs to the connection, which all views share.
        """
        settings = self._settings.view(unit, map, learnt, given)
        view: AsyncClient = type(self).__new__(type(self))
        view._link = self._link
        view._set_up(settings, self)
        return view


async def connect_async(url: str, *, map: Any = None, learnt: Any = None, **given: Any) -> AsyncClient:
    """Connect to ``tcp://host[:port][?option=value&...]`` as `connect` does, without blocking the event loop.

    Raises
    ------
    ConnectionFailed
        Within `connect_timeout`.
    TypeError, ValueError
        A bad URL or option.
    """
    target = options.parse_url(url)
    wanted = target.wanted(given)
    if target.scheme == "sim":
        from ..simulator import Simulator

        simulator = Simulator().start()
        client = AsyncClient("127.0.0.1", simulator.port, map=map, learnt=learnt, **wanted)
        client._companion = simulator
        return await client.connect()
    return await AsyncClient(target.host, target.port, map=map, learnt=learnt, **wanted).connect()
