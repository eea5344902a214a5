"""The page behind the link in a mail, /u/{token}: for people, without credentials and without scripts.

What a token is stands in `shared/people/unsubscribe_tokens.py`, what a suppression stops in
`shared/people/suppression.py`.
"""
