"""All tests, and the tools that are made of the same parts."""

import emulator  # noqa: F401 - before whatever imports gRPC: see there
