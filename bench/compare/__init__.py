"""Hark against two floors and two peers: one run, one machine, ratios. `python -m bench.run`."""
