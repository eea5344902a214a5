"""Hark in memory, for the tests of those who send with it: the real gateway, pipeline and relay, without a network.

`plugin.py` has the fixture, `system.py` what runs; nothing here is imported by the client itself.
"""
