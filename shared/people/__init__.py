"""What people want to get, as they or their providers have said: categories, preferences, quiet hours, suppressions.

Here are its values and rules, pure but for the keyed hash of an address. What is written when stands in
`shared/sending`, how it is kept in `shared/google`.
"""
