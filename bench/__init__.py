"""What Hark costs and how fast it is, measured."""

import emulator  # noqa: F401 - before whatever imports gRPC: see there
