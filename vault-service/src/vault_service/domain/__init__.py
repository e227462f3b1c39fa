"""The rules of the vault as plain values and functions: no I/O, no reading of clocks, no framework."""
