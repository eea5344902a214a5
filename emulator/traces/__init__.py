"""`OTEL=console make run`: what the functions export, as one tree a trace on the console."""
