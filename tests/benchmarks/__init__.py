"""Benchmarks: the targets of docs/performance.md, each a ratio inside one run."""
