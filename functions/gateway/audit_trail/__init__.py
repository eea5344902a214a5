"""What operators did, on record: entries, the chains that they stand in, and their writing beside each request."""
