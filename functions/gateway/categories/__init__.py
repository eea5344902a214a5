"""The kinds of notifications that people can choose or refuse: /v1/categories."""
