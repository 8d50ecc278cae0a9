"""Makes the methods of the asyncio client from those of the blocking one: the same text with `async` and `await`.

    python .ci/mirror.py            writes src/fastmodbus/aio/{tables,named,functions,polled}.py

Each method has its signature and its documentation in one place, client/; a test compares what is there with this.
"""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "fastmodbus"
PARTS = ("tables", "named", "functions", "polled")
RUNS = re.compile(r"(?<!await )(?:self\.(?:_run|_read|_write|_link\.run|connect)|poll_in_loop)\(")
#: Functions with an asyncio twin.
TWINS = re.compile(r"\bpoll(?=\(self, |$)", re.MULTILINE)
METHOD = re.compile(r"^    def ", re.MULTILINE)
TOO_LONG = re.compile(r"^(?=.{121})(    async def \w+\()(.*)(\) -> .*:)$", re.MULTILINE)


def mirrored(part: str) -> str:
    """The asyncio text of client/`part`.py."""
    text = (PACKAGE / "client" / f"{part}.py").read_text(encoding="utf-8")
    head, *methods = METHOD.split(text)
    made = f"Made from client/{part}.py by `make mirror`: change that one, not this.\n\n"
    head = head.replace("A part of `Client`", f"{made}A part of `AsyncClient`", 1)
    return head + "".join(_method(TWINS.sub("poll_in_loop", text)) for text in methods)


def _method(text: str) -> str:
    """One method; those that run something are coroutines."""
    if not RUNS.search(text):
        return f"    def {text}"
    awaited = f"    async def {RUNS.sub(lambda found: f'await {found[0]}', text)}"
    return TOO_LONG.sub(r"\1\n        \2\n    \3", awaited)


def main() -> None:
    for part in PARTS:
        (PACKAGE / "aio" / f"{part}.py").write_text(mirrored(part), encoding="utf-8")


if __name__ == "__main__":
    main()
