"""Outages as an operator meets them, in the lab and under load: `make drill`."""
