"""The fault harness: the real system under load and faults, and a check of what became of every notification."""
