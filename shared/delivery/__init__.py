"""What a notification, a delivery and an attempt are, and which state follows which.

Pure: no I/O, no clock, no library.
"""
