"""Costs of Beamscope, measured against the plain way to do the same; one command runs all: `make benchmarks`."""
