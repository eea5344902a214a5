"""Showing channels: /v1/channels; and addresses in their channel's one spelling."""
