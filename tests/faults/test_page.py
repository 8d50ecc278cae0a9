"""The page about reliability says what the tests found, about every row."""

from fastmodbus.simulator.faults import KINDS
from faults.catalogue import CASES
from faults.rows import ROWS
from faults.verdicts import PAGE, Verdicts, in_words, stored, with_table


def test_the_table_is_what_the_tests_found(verdicts: Verdicts) -> None:
    """Tests compare their verdicts with the stored ones, this one the page with those; unless both are made anew."""
    page = PAGE.read_text(encoding="utf-8")
    same = with_table(page, stored()) == page
    assert same or verdicts.writing, "made anew by: pytest tests/faults --write-verdicts"


def test_every_fault_is_in_the_table_and_every_row_has_a_verdict() -> None:
    assert [row.number for row in ROWS] == list(range(1, 56))
    listed = {fault for row in ROWS for fault in row.faults}
    assert {case.fault for case in CASES} <= listed
    assert listed == set(stored())
    assert all(row.faults or row.instead for row in ROWS)


def test_every_fault_of_an_answer_is_one_of_the_simulator() -> None:
    assert {case.fault for case in CASES} <= set(KINDS)


def test_no_verdict_is_wrong_data_a_hang_or_a_dead_connection() -> None:
    """What the tests assert, seen from the page: each verdict is right data or one error of the package."""
    for fault, found in stored().items():
        words = in_words(found)
        assert any(known in words for known in ("right data", "Error", "RequestTimeout", "Failed", "Ille", "once")), (
            fault
        )
