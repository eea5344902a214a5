"""The whole system on one machine: emulators, functions, fake providers. `python -m emulator` runs it."""

import os

# Who imports anything of here begins processes, and each of its forks is another program at once. gRPC's care for forks
# that go on closes what its own threads wait at: calls hung for ever, and children died before they began (SIGABRT).
# It reads this when it is imported, and never again.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
