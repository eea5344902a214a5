"""The routes that providers report back to: /v1/receipts.

What a receipt does is in `shared/sending/receipts.py`; how one is read, in its channel's folder.
"""
