"""The records on Firestore."""
