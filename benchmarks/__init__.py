"""Measures fastmodbus beside its peers, libmodbus and a bare C client, all on one fast server in C.

``python -m benchmarks`` runs everything, writes ``results.json`` and from it the tables and plots; ``--quick`` takes a
minute. ``pytest benchmarks --benchmark-only`` times the same reads under pytest-benchmark, for comparing two versions
of fastmodbus.
"""
