"""The routes that providers hand over to what people answer: /v1/inbound.

What an answer does is in `shared/sending/replies.py`; how one is read, in its channel's folder.
"""
