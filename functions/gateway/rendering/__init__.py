"""What templates and data make, in a person's locale. Who uses no template loads none of its libraries."""
