"""What a channel declares of itself, and which channels there are. What one channel is, stands in its own folder."""
