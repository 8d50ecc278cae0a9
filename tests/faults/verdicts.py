"""What came of each fault, kept in verdicts.json, and the table of docs/reliability.md made from it."""

import json
from pathlib import Path

from faults.rows import ROWS, Row

HERE = Path(__file__).parent
STORE = HERE / "verdicts.json"
PAGE = HERE.parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- table of faults: made by the tests -->", "<!-- end of the table of faults -->"
SITUATIONS = ("read", "write", "16 in flight", "with retries", "with the option")

Store = dict[str, dict[str, str]]


def stored() -> Store:
    """Fault -> situation -> verdict."""
    found: Store = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    return found


def merged(old: Store, new: Store) -> Store:
    return {fault: old.get(fault, {}) | new.get(fault, {}) for fault in sorted(old | new)}


class Verdicts:
    """Compares each verdict with the stored one, or collects them to be stored."""

    def __init__(self, writing: bool) -> None:
        self.writing = writing
        self.known = {} if writing else stored()
        self.found: Store = {}

    def note(self, fault: str, situation: str, verdict: str) -> None:
        assert situation in SITUATIONS
        self.found.setdefault(fault, {})[situation] = verdict
        if not self.writing:
            known = self.known.get(fault, {}).get(situation)
            assert verdict == known, (
                f"{fault}, {situation}: {verdict!r}, but the page says {known!r} (--write-verdicts)"
            )

    def finish(self) -> None:
        if self.writing and self.found:
            store = merged(stored(), self.found)
            STORE.write_text(json.dumps(store, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), store), encoding="utf-8")


def our_column(row: Row, store: Store) -> str:
    """What came of the faults of a row, those alike together."""
    if row.instead:
        return row.instead
    alike: dict[str, list[str]] = {}
    for fault in row.faults:
        alike.setdefault(in_words(store[fault]), []).append(fault)
    if len(alike) == 1:
        return next(iter(alike))
    return "; ".join(f"{', '.join(f'`{fault}`' for fault in faults)}: {words}" for words, faults in alike.items())


def in_words(found: dict[str, str]) -> str:
    parts = []
    for situation in SITUATIONS:
        told = found.get(situation, "")
        if situation == "write" and "read" in found:
            told = beside(found["read"], told)
        if told:
            parts.append(told if situation == "read" else f"*{situation}:* {told}")
    return "; ".join(parts)


def beside(read: str, write: str) -> str:
    """What there is to say of a write after the same was said of a read."""
    kind = write.split(", ", maxsplit=1)[0]
    if write and read.startswith(kind):
        return "the same, outcome_unknown" if write.endswith("outcome_unknown") else ""
    return write


def table(store: Store) -> str:
    lines = ["| # | fault | a correct client | fastmodbus | peers |", "|---|---|---|---|---|"]
    for row in ROWS:
        names = ", ".join(f"`{fault}`" for fault in row.faults)
        fault = f"{row.title} ({names})" if row.named else row.title
        lines.append(f"| {row.number} | {fault} | {row.correct} | {our_column(row, store)} | {row.peers} |")
    return "\n".join(lines)


def with_table(page: str, store: Store) -> str:
    """The page with its table made anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table(store)}\n\n{END}{after}"
