"""``python -m fastmodbus`` is the command ``fastmodbus``. Nothing else belongs here."""

import sys

from fastmodbus.cli import main

if __name__ == "__main__":
    sys.exit(main())
