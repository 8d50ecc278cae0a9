"""From a verdict of the core to an error: class, attributes and words for every status, fault and exception."""

import pytest

from fastmodbus import errors
from fastmodbus._core import codec
from fastmodbus.explain import _READS, FAULTS, Where, and_further, error_of, request_text
from fastmodbus.spec import ExceptionCode, Fault, FunctionCode, Status

WHERE = Where("pump", "10.0.0.5", 502, 1.5, "connection refused")


def verdict(
    status: int, function: int = 3, fault: int = 0, code: int = 0, left: bool = True, tries: int = 1
) -> tuple[int, int, int, int, int, int, int, bool, int]:
    return (status, fault, code, 7, function, 100, 10, left, tries)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (Status.TIMEOUT, errors.RequestTimeout, "no answer within 1.5 s, asked once"),
        (Status.DEADLINE, errors.RequestTimeout, "deadline"),
        (Status.LOST, errors.ConnectionFailed, "lost before the answer (connection refused)"),
        (Status.CLOSED, errors.ClientClosed, "closed"),
        (Status.UNREACHABLE, errors.ConnectionFailed, "no connection: connection refused"),
        (Status.CANCELLED, errors.ModbusError, "not sent"),
        (Status.SUSPENDED, errors.RequestTimeout, "not asked"),
    ],
)
def test_every_status(status: Status, kind: type[errors.ModbusError], words: str) -> None:
    error = error_of(verdict(status), WHERE)
    assert type(error) is kind
    assert str(error).startswith("pump (10.0.0.5:502), unit 7: read holding registers 100 to 109: ")
    assert words in str(error)
    assert (error.unit, error.function, error.address, error.count) == (7, 3, 100, 10)
    if isinstance(error, errors.ConnectionFailed):
        assert (error.host, error.port) == ("10.0.0.5", 502)


def test_no_status_is_forgotten() -> None:
    for status in Status:
        if status not in (Status.QUEUED, Status.SENT, Status.OK):
            assert str(error_of(verdict(status, fault=Fault.ECHO, code=2), WHERE))


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
def test_every_fault_has_words(fault: Fault) -> None:
    error = error_of(verdict(Status.PROTOCOL, fault=fault), WHERE)
    assert type(error) is errors.ProtocolError
    assert FAULTS[fault] in str(error)


@pytest.mark.parametrize("code", ExceptionCode)
def test_every_exception_has_words_and_its_number(code: ExceptionCode) -> None:
    error = error_of(verdict(Status.EXCEPTION, code=code), WHERE)
    assert type(error) is errors.device_error(code)
    assert f"(exception {code:02X})" in str(error)
    assert isinstance(error, errors.DeviceError)
    assert error.code == code


@pytest.mark.parametrize("code", [0, 7, 9, 99, 255])
def test_exceptions_that_are_not_defined_keep_their_number(code: int) -> None:
    error = error_of(verdict(Status.EXCEPTION, code=code), WHERE)
    assert type(error) is errors.DeviceError
    assert error.code == code
    assert f"exception {code:02X}" in str(error)


@pytest.mark.parametrize("function", FunctionCode)
def test_every_function_has_a_name(function: FunctionCode) -> None:
    assert not request_text(function, 1, 2).startswith("function")


@pytest.mark.parametrize(
    ("function", "count", "text"),
    [
        (3, 1, "read holding registers 100"),
        (3, 5, "read holding registers 100 to 104"),
        (6, 0xABCD, "write register 100"),
        (24, 0, "read FIFO queue 100"),
        (17, 0, "report server id"),
        (65, 0, "function 65"),
    ],
)
def test_requests_in_words(function: int, count: int, text: str) -> None:
    assert request_text(function, 100, count) == text


def test_what_only_reads_is_what_the_core_may_repeat() -> None:
    assert {function for function in range(1, 128) if codec.flags(function)[0]} == _READS


@pytest.mark.parametrize("function", [5, 6, 8, 15, 16, 21, 22, 23, 65, 100])
@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.DEADLINE, Status.LOST, Status.PROTOCOL, Status.CLOSED])
def test_the_fate_of_a_write_that_left_is_unknown(function: int, status: Status) -> None:
    error = error_of(verdict(status, function, fault=Fault.ECHO), WHERE)
    assert error.outcome_unknown
    assert str(error).endswith("read the value back before writing again")
    unsent = error_of(verdict(status, function, fault=Fault.ECHO, left=False), WHERE)
    assert not unsent.outcome_unknown
    refused = error_of(verdict(Status.EXCEPTION, function, code=4), WHERE)
    assert not refused.outcome_unknown


@pytest.mark.parametrize("function", sorted(_READS))
def test_a_reads_fate_does_not_matter(function: int) -> None:
    assert not error_of(verdict(Status.TIMEOUT, function), WHERE).outcome_unknown


def test_sentences() -> None:
    assert and_further("is it on?", "Look.") == "is it on? Look."
    assert and_further("it is off", "Look.") == "it is off. Look."


def test_labels() -> None:
    assert WHERE.label == "pump (10.0.0.5:502)"
    assert Where("", "::1", 502, 1.0).label == "[::1]:502"
