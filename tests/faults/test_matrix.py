"""Every fault of an answer: one request in flight and sixteen, at the first, a middle and the last position."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fastmodbus import errors
from faults.catalogue import CASES, DATA, Case
from faults.harness import BASE, SIXTEEN, Asked, Result, Setting, at_positions, is_one, run, size_of, values_to_write
from faults.verdicts import Verdicts
from loops import BOTH

CLIENTS = BOTH

SINGLE = Setting("one request", 1, {"in_flight": 1})
BULK_ONE = Setting("bulk read, one in flight", SIXTEEN, {"in_flight": 1})
BULK = Setting("bulk read, 16 in flight", SIXTEEN, {"in_flight": SIXTEEN})
COALESCED = Setting("bulk read, 16 in flight, coalesced", SIXTEEN, {"in_flight": SIXTEEN, "coalesce": True})
DEFAULT = Setting("bulk read, default options", SIXTEEN, {"in_flight": "auto", "retries": 2})
WRITE = Setting("write", 1, {"in_flight": 1}, write=True)
WRITES = Setting("split write", SIXTEEN, {"in_flight": SIXTEEN}, write=True)
PIPELINED = Setting("16 writes in flight", SIXTEEN, {"in_flight": SIXTEEN, "pipeline_writes": True}, write=True)

READS = [case for case in CASES if case.reads]
WRITE_CASES = [case for case in CASES if case.writes]


def name(case: Case) -> str:
    return f"{case.row}-{case.fault}"


def in_groups(cases: list[Case]) -> list[list[Case]]:
    """Each by itself, but those that wait for a timeout together: they wait side by side."""
    return [*([case] for case in cases if not case.waits), [case for case in cases if case.waits]]


def name_of_group(group: list[Case]) -> str:
    return name(group[0]) if len(group) == 1 else "that wait"


def side_by_side(group: list[Case], setting: Setting) -> list[tuple[Case, Result]]:
    """Of calls of one request: no other can run out of time meanwhile."""
    with ThreadPoolExecutor(len(group)) as pool:
        return list(zip(group, pool.map(lambda case: run(case, setting, 0), group), strict=True))


def told(error: errors.ModbusError | None) -> str:
    return "right data" if error is None else type(error).__name__


def check_quirk(case: Case, error: errors.ModbusError | None) -> None:
    if case.quirk and isinstance(error, errors.ProtocolError):
        assert f"quirks=('{case.quirk}',)" in str(error)


def unsent_write(setting: Setting, result: Result, address: int) -> bool:
    """Once one of them failed, the writes of a call that were not sent are not."""
    return setting.write and result.times[address] == 0


def check_all(case: Case, setting: Setting, result: Result) -> None:
    """All sixteen values or errors, the connections, and the frames that the server saw."""
    for index, found in enumerate(result.outcomes):
        address = BASE + index * size_of(case, setting)
        expected = case.struck if index == result.position else (DATA,)
        if index > result.position and case.cut is not None and Asked(2, address) not in result.asked:
            expected = (case.cut, errors.ModbusError) if unsent_write(setting, result, address) else (case.cut,)
        assert is_one(found, expected), f"{name(case)}, request {index}: {found!r}"
    check_quirk(case, result.struck)
    assert result.connections == (2 if case.replaced else 1), name(case)
    addresses = [BASE + index * size_of(case, setting) for index in range(setting.requests)]
    assert set(result.times) <= set(addresses)
    assert set(result.times.values()) <= {1}, "asked twice with retries off"
    if not case.replaced:
        assert sorted(result.times) == addresses


@pytest.mark.tls
@pytest.mark.parametrize("group", in_groups(READS), ids=name_of_group)
def test_one_request(group: list[Case], verdicts: Verdicts) -> None:
    for case, result in side_by_side(group, SINGLE):
        check_all(case, SINGLE, result)
        connection = "new connection" if case.replaced else "connection kept"
        when = " at the timeout" if case.waits else " at once" if result.struck else ""
        verdicts.note(case.fault, "read", f"{told(result.struck)}{when}, {connection}")


@pytest.mark.repeats
@pytest.mark.parametrize("case", READS, ids=name)
def test_bulk_reads(case: Case) -> None:
    """One in flight and coalesced, side by side."""
    settings = [BULK_ONE, COALESCED]
    with ThreadPoolExecutor(len(settings)) as pool:
        waiting = [
            pool.submit(at_positions, lambda position, how=setting: run(case, how, position), SIXTEEN)
            for setting in settings
        ]
        for setting, results in zip(settings, waiting, strict=True):
            for result in results.result():
                check_all(case, setting, result)


#: What the table calls a fault in the middle of a batch.
IN_THE_MIDDLE = {"fin_before": "close_mid", "len_short_by_2": "one_mid_bad", "exc_len_field_4": "exc_len4"}


@pytest.mark.tls
@pytest.mark.parametrize("case", READS, ids=name)
def test_bulk_reads_in_flight(case: Case, verdicts: Verdicts) -> None:
    results = at_positions(lambda position: run(case, BULK, position), SIXTEEN)
    for result in results:
        check_all(case, BULK, result)
    others = f"{case.cut.__name__} for those behind that were sent" if case.cut else "the others right"
    verdicts.note(case.fault, "16 in flight", others)
    if case.fault in IN_THE_MIDDLE:
        words = f"those before right, {told(results[1].struck)} for it, {others}"
        verdicts.note(IN_THE_MIDDLE[case.fault], "16 in flight", words)


@pytest.mark.blocking
@pytest.mark.parametrize("case", READS, ids=name)
def test_bulk_reads_with_default_options(case: Case) -> None:
    """With retries only what is an answer, and wrong, is reported; all the other values are there."""
    for result in at_positions(lambda position: run(case, DEFAULT, position), SIXTEEN):
        for index, found in enumerate(result.outcomes):
            assert is_one(found, (*case.struck, DATA) if index == result.position else (DATA,)), f"{index}: {found!r}"
        if not issubclass(errors.ProtocolError, tuple(kind for kind in case.struck if kind)):
            assert result.raised is None or isinstance(result.raised, errors.DeviceError)
        check_quirk(case, result.struck)


def check_writes(case: Case, setting: Setting, result: Result) -> None:
    """No write was sent twice; what is not known is said; what was confirmed is in the device."""
    size = size_of(case, setting)
    sent = values_to_write(setting.requests * size)
    assert set(result.times.values()) <= {1}, "written twice"
    for index, found in enumerate(result.outcomes):
        start = BASE + index * size
        there = (result.holding[start : start + size] == sent[index * size : (index + 1) * size]).all()
        if found is None:
            assert there
        elif result.times[start] == 0:
            assert not there
        elif not isinstance(found, errors.DeviceError):
            assert found.outcome_unknown
    confirmed = [index for index, found in enumerate(result.outcomes) if found is None]
    if result.raised is not None:
        ranges = [range(BASE + index * size, BASE + (index + 1) * size) for index in confirmed]
        assert list(result.raised.written) == ranges


@pytest.mark.tls
@pytest.mark.parametrize("group", in_groups(WRITE_CASES), ids=name_of_group)
def test_one_write(group: list[Case], verdicts: Verdicts) -> None:
    for case, result in side_by_side(group, WRITE):
        check_all(case, WRITE, result)
        check_writes(case, WRITE, result)
        unknown = result.struck is not None and result.struck.outcome_unknown
        verdicts.note(case.fault, "write", told(result.struck) + (", outcome_unknown" if unknown else ""))


@pytest.mark.blocking
@pytest.mark.parametrize("case", WRITE_CASES, ids=name)
def test_a_split_write_stops_at_the_fault(case: Case) -> None:
    """Writes go one after the other: what was before is written, what was behind is not sent."""
    for result in at_positions(lambda position: run(case, WRITES, position), SIXTEEN):
        assert is_one(result.struck, case.struck)
        check_writes(case, WRITES, result)
        good = [found is None for found in result.outcomes]
        written = good.index(False) if False in good else SIXTEEN
        assert written >= result.position
        assert not any(good[written:])
        assert len(result.times) in (written, written + 1)
        if case.cut is None and DATA in case.struck:
            assert written == SIXTEEN


@pytest.mark.parametrize("case", WRITE_CASES, ids=name)
def test_writes_in_flight(case: Case) -> None:
    for result in at_positions(lambda position: run(case, PIPELINED, position), SIXTEEN):
        check_all(case, PIPELINED, result)
        check_writes(case, PIPELINED, result)
