"""The inputs that are kept: one text file a target in corpus/, one input a line, in hexadecimal; # begins a comment.

``python tests/fuzz/corpus.py unpack FOLDER`` writes each target's inputs as files, as libFuzzer wants them;
``pack FOLDER`` puts files back into the text, keeping its comments and what stands beside one.
"""

import sys
from pathlib import Path

KEPT = Path(__file__).resolve().parent / "corpus"


def lines(target: str) -> list[str]:
    path = KEPT / f"{target}.txt"
    return path.read_text(encoding="ascii").splitlines() if path.exists() else []


def inputs(target: str) -> list[tuple[str, bytes]]:
    """(comment or number, bytes) of each."""
    found = []
    for number, line in enumerate(lines(target), 1):
        data, _, comment = line.partition("#")
        if data.strip():
            found.append((comment.strip() or f"line {number}", bytes.fromhex(data)))
    return found


def unpack(folder: Path) -> None:
    for path in sorted(KEPT.glob("*.txt")):
        target = folder / path.stem
        target.mkdir(parents=True, exist_ok=True)
        for number, (_, data) in enumerate(inputs(path.stem)):
            (target / f"kept-{number:04}").write_bytes(data)


def pack(folder: Path) -> None:
    """Findings, which are commented, stay; the others are what is in the folder now."""
    for target in sorted(path for path in folder.iterdir() if path.is_dir()):
        findings = [line for line in lines(target.name) if "#" in line]
        named = {bytes.fromhex(line.partition("#")[0]) for line in findings}
        fresh = {path.read_bytes() for path in target.iterdir()} - named - {b""}
        text = [*findings, *sorted((data.hex() for data in fresh), key=lambda data: (len(data), data))]
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{target.name}.txt").write_text("\n".join(text) + "\n", encoding="ascii")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](Path(sys.argv[2]))
