"""What goes wrong between a client and a device, case by case: faults of the simulator, and what becomes of calls.

`catalogue` says what is expected, `harness` runs one case, `verdicts` keeps what came of it for docs/reliability.md.
"""
