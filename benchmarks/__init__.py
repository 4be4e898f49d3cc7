"""Comparisons with peers, in one run, alternating: `make bench`, or `python -m benchmarks [name …]`."""
