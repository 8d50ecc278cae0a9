"""A proxy in the test's own event loop that holds what a device answers until the test lets it through."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 30.0


class DelayingProxy:
    """Requests pass at once, answers wait.

    Attributes
    ----------
    held : bytearray
        Bytes of answers that wait.
    free : bool
        Answers pass at once, too.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.held = bytearray()
        self.free = False
        self.connections = 0
        self._changed = asyncio.Event()
        self._client: asyncio.StreamWriter | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def holds(self, size: int) -> None:
        """Wait until at least so many bytes wait."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.held) < size:
                self._changed.clear()
                await self._changed.wait()

    def release(self, size: int | None = None) -> None:
        """Let so many bytes through, by default all."""
        assert self._client is not None
        size = len(self.held) if size is None else size
        self._client.write(bytes(self.held[:size]))
        del self.held[:size]

    def open(self) -> None:
        """Hold nothing any more."""
        self.free = True
        if self.held:
            self.release()

    def close_up(self) -> None:
        self.free = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        self.connections += 1
        self._client = writer
        device_reader, device_writer = await asyncio.open_connection("127.0.0.1", self._target)
        answers = asyncio.create_task(self._hold(device_reader))
        try:
            while data := await reader.read(65536):
                device_writer.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            for each in (device_writer, writer):
                each.close()
                with suppress(ConnectionError, asyncio.CancelledError):
                    await each.wait_closed()

    async def _hold(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65536):
            self.held += data
            if self.free:
                self.release()
            self._changed.set()
