"""Polls 100 times a second for so many seconds, from a device that fails at random, and judges every row.

Each answer carries a number of its own, and the device notes what it did to it: so a good value tells which answer it
was, and any other one can be held against what happened. A program, run by tests: `python faulty_run.py SECONDS`.
"""

import json
import logging
import random
import sys
import threading
import time
from collections import Counter, deque
from typing import NamedTuple

import numpy as np

import fastmodbus as fm
from fastmodbus.quality import Quality as Q

EVERY, PERIOD = 0.01, 10_000_000
#: Answers of three lengths, by which the device tells them apart.
TAGS = {"one": "hr0:u32", "two": "hr100:u32[2]", "three": "hr300:u32[3]"}
#: What happens to how many of 10,000 answers; all others are left alone.
FAULTS = {
    "drop": 60, "delay": 60, "duplicate": 100, "transaction_id": 60, "close": 10, "reset": 10, "cut": 10,
    "refuse": 60, "busy": 60, "function": 20, "protocol_id": 10,
}  # fmt: skip
#: ns: how long a machine may stand still, so that a row is closed late; and "shortly before" with such a stand-still.
LATE, SHORTLY = 200_000_000, 2_000_000_000
INTACT = {"good", "delay", "duplicate"}
DELAY = 0.03
REFUSED, BUSY = 0x0A, 0x06
#: Values that no fault explains: what a machine that stands still for a moment may cost.
UNEXPLAINED = 0.01


class Answer(NamedTuple):
    """What became of a request: the length of its answer in values, when (ns, monotonic), and what was done to it."""

    length: int
    at: int
    fault: str


class Device:
    """The faults of a simulated device, and their protocol."""

    def __init__(self, seed: int) -> None:
        self.answers: dict[int, Answer] = {}
        self.made: Counter[str] = Counter()
        self.losses = [0]  # when the connection was cut off, ns
        self._dice = random.Random(seed)
        self._names = ["good", *FAULTS]
        self._weights = [10_000 - sum(FAULTS.values()), *FAULTS.values()]

    def alter(self, adu: bytes) -> "bytes | fm.simulator.Effect":
        number = sum(self.made.values()) + 1
        length = adu[8] // 4
        [fault] = self._dice.choices(self._names, self._weights)
        at = time.monotonic_ns()
        self.answers[number] = Answer(length, at, fault)
        self.made[fault] += 1
        if fault in ("close", "reset", "cut", "protocol_id"):
            self.losses.append(at)
        return self._altered(fault, adu[:9] + number.to_bytes(4, "big") * length)

    def _altered(self, fault: str, adu: bytes) -> "bytes | fm.simulator.Effect":
        effect = fm.simulator.Effect
        return {
            "good": adu,
            "drop": effect(()),
            "delay": effect((adu,), delay=DELAY),
            "duplicate": adu * 2,
            "transaction_id": bytes([adu[0] ^ 0x55]) + adu[1:],
            "close": effect((b"",), ending="close"),
            "reset": effect((b"",), ending="reset"),
            "cut": effect((adu[:10],), ending="close"),
            "refuse": adu[:4] + bytes([0, 3, adu[6], 0x83, REFUSED]),
            "busy": adu[:4] + bytes([0, 3, adu[6], 0x83, BUSY]),
            "function": adu[:7] + bytes([4]) + adu[8:],
            "protocol_id": adu[:2] + b"\7\7" + adu[4:],
        }[fault]

    def forget(self, before: int) -> None:
        """Leave out what nobody will ask for any more."""
        for number in [number for number, answer in list(self.answers.items()) if answer.at < before]:
            del self.answers[number]


class Value(NamedTuple):
    """One value of a row, with its times in ns on the monotonic clock; 0 where there is none."""

    length: int
    quality: int
    number: int
    due: int
    sent: int
    received: int


class Judge:
    """Holds values, in order, against what the device did."""

    def __init__(self, device: Device) -> None:
        self.qualities: Counter[str] = Counter()
        self.unexplained: Counter[str] = Counter()
        self.asked = 0
        self._device = device
        self._newest = dict.fromkeys((1, 2, 3), 0)  # numbers of good answers
        self._last_good = 0  # when the newest good answer had been asked for
        self._silent = deque([0, 0], 2)  # when the newest requests without an answer were due
        self._resting = 0  # when the unit was last left alone

    def look(self, value: Value) -> None:
        """Judge one value; an AssertionError where it is wrong."""
        quality = Q(value.quality)
        self.qualities[quality.name] += 1
        self.asked += value.sent > 0
        assert value.sent == 0 or value.sent >= value.due, value
        if quality & 0x80:
            self._exception(value)
        else:
            getattr(self, f"_{quality.name.lower()}")(value)

    def _did(self, value: Value, until: int, *faults: str) -> bool:
        """Whether the device did that to an answer of this kind since the row began."""
        answers = list(self._device.answers.values())
        return any(
            one.length == value.length and one.fault in faults and value.due <= one.at <= until for one in answers
        )

    def _good(self, value: Value) -> None:
        answer = self._device.answers[value.number]
        assert answer.length == value.length, (value, answer)
        assert answer.fault in INTACT, (value, answer)
        assert value.sent <= answer.at <= value.received, (value, answer)
        assert value.number > self._newest[value.length], value
        self._newest[value.length] = value.number
        self._last_good = value.sent

    def _exception(self, value: Value) -> None:
        assert value.quality in (0x80 | REFUSED, 0x80 | BUSY), value
        assert self._did(value, value.received, "refuse" if value.quality & 0x7F == REFUSED else "busy"), value

    def _protocol(self, value: Value) -> None:
        assert self._did(value, value.sent + LATE, "function", "protocol_id"), value

    def _timeout(self, value: Value) -> None:
        assert value.sent > 0, value
        assert value.received == 0, value
        self._silent.append(value.due)
        until = value.due + PERIOD
        if self._did(value, until, "good", "duplicate") and not self._did(value, until, *FAULTS):
            self.unexplained["TIMEOUT"] += 1

    def _missed(self, value: Value) -> None:
        assert value.sent == 0, value
        answers = list(self._device.answers.values())
        if not any(one.fault != "good" and abs(one.at - value.due) < LATE for one in answers):
            self.unexplained["MISSED"] += 1

    def _link(self, value: Value) -> None:
        """The connection was cut off, and since then nothing that was asked for was answered."""
        until = value.due + PERIOD + LATE
        assert any(self._last_good <= loss <= until for loss in self._device.losses), value

    def _suspended(self, value: Value) -> None:
        """Two requests in a row had no answer, shortly before; or this goes on."""
        assert value.due - max(self._silent[0], self._resting) < SHORTLY, value
        self._resting = value.due


def values_of(run: fm.Samples) -> list[Value]:
    """The values of all rows, row by row."""
    due = (run["time"].view(np.int64) - run.anchor).tolist()
    columns = []
    for name in TAGS:
        numbers = run.raw[name].reshape(run.rows, -1)
        good = run.ok[name].reshape(run.rows, -1).all(axis=1)
        assert (numbers[good] == numbers[good][:, :1]).all()
        quality = run.quality[name].reshape(run.rows, -1)
        assert (quality == quality[:, :1]).all()
        times = (
            np.where(np.isnat(moments), 0, moments.view(np.int64) - run.anchor).tolist()
            for moments in (run.sent[name], run.received[name])
        )
        columns.append([
            Value(numbers.shape[1], *one)
            for one in zip(quality[:, 0].tolist(), numbers[:, 0].tolist(), due, *times, strict=True)
        ])  # fmt: skip
    return [value for row in zip(*columns, strict=True) for value in row]


def cut_off(sim: fm.Simulator, device: Device, over: threading.Event, dice: random.Random) -> None:
    """Every now and then the device is gone for a while."""
    while not over.wait(dice.uniform(10, 30)):
        device.losses.append(time.monotonic_ns())
        sim.close()
        device.losses.append(time.monotonic_ns())
        over.wait(dice.choice([0.1, 0.5, 2.0]))
        device.losses.append(time.monotonic_ns())
        sim.start()


def polled(sim: fm.Simulator, device: Device, judge: Judge, rows: int) -> "fm.poller.PollStatistics":
    """Poll so many rows, and judge them as they come."""
    seen = newest = 0
    with fm.Client("127.0.0.1", sim.port, name="plc", timeout=0.05, in_flight=3) as plc, fm.Poller() as poller:
        poller.add(plc, TAGS, every=EVERY)
        for chunk in poller.chunks(rows=100):
            assert chunk.first_row == seen
            seen += chunk.rows
            due = chunk["time"].view(np.int64) - chunk.anchor
            assert (np.diff([newest, *due])[seen == chunk.rows :] == PERIOD).all()
            newest = int(due[-1])
            for value in values_of(chunk):
                judge.look(value)
            device.forget(newest - 10 * 10**9)
            del device.losses[:-100]
            if seen >= rows:
                return poller.stats["plc"]
    raise AssertionError("the poller ended by itself")


def run(seconds: float, seed: int) -> dict[str, object]:
    """Poll for so long; what was found. An AssertionError where a row is not as it has to be."""
    device, over = Device(seed), threading.Event()
    judge = Judge(device)
    with fm.Simulator() as sim:
        sim.fault(device.alter)
        outages = threading.Thread(target=cut_off, args=(sim, device, over, random.Random(seed)))
        outages.start()
        try:
            stats = polled(sim, device, judge, round(seconds / EVERY))
        finally:
            over.set()
            outages.join()
    assert sum(device.made.values()) <= judge.asked + stats.retries + 3 * 100, "more was asked than rows say"
    assert judge.qualities["GOOD"] > sum(judge.qualities.values()) / 4
    assert sum(judge.unexplained.values()) <= UNEXPLAINED * sum(judge.qualities.values()), judge.unexplained
    return {"rows": stats.polls, "values": judge.qualities, "answers": device.made, "unexplained": judge.unexplained}


if __name__ == "__main__":
    logging.getLogger("fastmodbus").setLevel(logging.CRITICAL)  # it would tell of every connection that is lost
    seed = random.SystemRandom().randrange(1 << 30)
    print(json.dumps({"seed": seed}), flush=True)
    print(json.dumps(run(float(sys.argv[1]), seed)), flush=True)
