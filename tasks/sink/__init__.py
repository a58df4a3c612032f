"""A merchant's server for local work: it verifies what it is told, keeps an inventory, and can fail."""
