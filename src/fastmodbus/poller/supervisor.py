"""The thread beside the loop that does what needs the interpreter: connecting, log lines, finer plans, the wall clock.

It waits for the loop to report and for its own appointments; in the steady state it looks at the clock once a second.
Resolving and connecting block, so each attempt has a thread of its own, a bounded number at a time.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from .._core.loop import Loop
from .._core.reactor import Connection, now
from ..sockets import backoff
from ..transport import Link
from .anchors import Anchors
from .feed import Feed
from .learning import Learning
from .worker import Worker

log = logging.getLogger("fastmodbus")

_CHECK = 1_000_000_000  # ns between two looks at the wall clock
_PAUSE = 0.02  # s between two rounds: a device that reports with every row is looked at in passing
_CONNECTING = 64  # attempts at a time


class _Attempts:
    """How the connection of one link is being kept."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.failed = 0
        self.said = ""
        self.answers = 0


class Supervisor:
    """Looks after the connections and feeds of one loop, from `start` to `stop`.

    Parameters
    ----------
    loop : Loop
    anchors : Anchors
    feeds : callable
        Gives the feeds there are now.
    """

    def __init__(self, loop: Loop, anchors: Anchors, feeds: Callable[[], Iterable[Feed]]) -> None:
        self._loop, self._anchors, self._feeds = loop, anchors, feeds
        self._lock = threading.Lock()
        self._attempts: dict[Connection, _Attempts] = {}
        self._waiting: deque[Connection] = deque()
        self._connecting = 0
        self._due: dict[Connection, int] = {}
        self._learning: dict[Feed, Learning] = {}
        self._suspended: set[Feed] = set()
        self._stopping = threading.Event()
        self._thread = Worker(self._run, "fastmodbus supervisor")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread. Attempts to connect that are under way end by themselves."""
        self._stopping.set()
        self._loop.ring()
        self._thread.wait()

    # -------------------------------------------------------------------------------------------- rounds

    def _run(self) -> None:
        heard, check = 0, 0
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception:  # whatever it is, it must not cost the other devices their connections
                log.exception("the supervisor of a poller failed")
            if now() >= check:
                self._check_clock()
                check = now() + _CHECK
            heard = self._loop.wait_news(heard, max(0, min([check, *self._due.values()]) - now()))
            self._stopping.wait(_PAUSE)

    def _look(self) -> None:
        # What is reported is told once. The feeds are looked at later: one that is being added is among them then.
        reports = self._loop.reports()
        feeds = self._feeds_by_connection()
        for connection, wanted, _ in reports:
            if wanted and connection in feeds:
                self._note_wanted(connection, feeds[connection][0].link)
        for connection, _, told in reports:
            if told and connection in feeds:
                feeds[connection][0].link.log.report()
                self._look_at_feeds(feeds[connection])
        for connection in [each for each, due in self._due.items() if due <= now()]:
            del self._due[connection]
            if connection in feeds:
                self._waiting.append(connection)
        self._connect_those_waiting()

    def _feeds_by_connection(self) -> dict[Connection, list[Feed]]:
        found: dict[Connection, list[Feed]] = {}
        for feed in self._feeds():
            found.setdefault(feed.link.core, []).append(feed)
        return found

    def _check_clock(self) -> None:
        step = self._anchors.check()
        if step:
            log.warning("the wall clock was set by %+.3f s: a new chunk begins", step)
        for learning in list(self._learning.values()):
            learning.tend()

    # -------------------------------------------------------------------------------------------- feeds

    def _look_at_feeds(self, feeds: Iterable[Feed]) -> None:
        for feed in feeds:
            if feed.job is not None:
                suspended, refused = feed.job.news()
                self._tell_suspended(feed, suspended)
                if refused:
                    self._learn(feed)

    def _tell_suspended(self, feed: Feed, suspended: bool) -> None:
        if suspended and feed not in self._suspended:
            self._suspended.add(feed)
            log.warning("%s: does not answer; asked seldom until it does", feed.label)
        elif not suspended and feed in self._suspended:
            self._suspended.remove(feed)
            log.info("%s: answers again", feed.label)

    def _learn(self, feed: Feed) -> None:
        if feed not in self._learning:
            self._learning[feed] = Learning(feed, feed.names)
        keys = {number: key for key, number in feed.keys.items()}
        for tag in self._learning[feed].look():
            name = keys.get(feed.plan.tags.index(tag), tag.name)
            log.warning("%s: %s (%s) is refused by the device and left out", feed.label, name, tag.address)

    # -------------------------------------------------------------------------------------------- connections

    def _note_wanted(self, connection: Connection, link: Link) -> None:
        """A connection is needed: at once, or when the device closed the last one without an answer, later."""
        attempts = self._attempts.setdefault(connection, _Attempts(link))
        answers = link.core.counters()["answers"]
        if answers != attempts.answers:
            attempts.answers, attempts.failed = answers, 0
        if attempts.failed:
            self._due[connection] = now() + int(backoff(attempts.failed - 1) * 1e9)
        else:
            self._waiting.append(connection)

    def _connect_those_waiting(self) -> None:
        while self._waiting and self._connecting < _CONNECTING:
            attempts = self._attempts[self._waiting[0]]
            threading.Thread(
                target=self._connect, args=[attempts], name=f"connect {attempts.link.log.place}", daemon=True
            ).start()
            self._waiting.popleft()  # not before: there may be no thread to be had
            with self._lock:
                self._connecting += 1

    def _connect(self, attempts: _Attempts) -> None:
        link = attempts.link
        self._loop.unreachable(link.core, False)
        try:
            made = link.try_to_connect()
        except Exception:  # whatever it is, it is tried again
            log.exception("%s: connecting failed", link.log.place)
            made = False
        attempts.failed += 1  # until something is answered
        with self._lock:
            self._connecting -= 1
            if not made:
                self._due[link.core] = now() + int(backoff(attempts.failed - 1) * 1e9)
        if made:
            attempts.said = ""
        else:
            self._loop.unreachable(link.core, True)
            say = log.debug if link.lost == attempts.said else log.warning
            attempts.said = link.lost
            say("%s: no connection: %s; trying on", link.log.place, link.lost)
        self._loop.ring()
