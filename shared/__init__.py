"""What the deployed functions build on. It knows no function and no channel by name."""
