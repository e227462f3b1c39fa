"""Benchmarks: ratios, measured on one machine in one run. `python -m bench vault`. Nothing here is shipped."""
