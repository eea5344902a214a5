"""The whole system on one machine: emulators, functions, fake providers. `python -m emulator` runs it."""
