"""What every process needs around its work: settings, logs, traces and metrics, failpoints.

Nothing of notifications.
"""
