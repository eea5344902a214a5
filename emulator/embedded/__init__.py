"""The system in one process, for a machine without emulators: functions, lab, and Firestore and Pub/Sub in memory.

What the emulators do for the functions belongs here; which processes run where there are emulators does not
(`emulator/stack.py`).
"""
