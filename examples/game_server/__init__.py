"""A game server that keeps what its players may use, in Python and in JavaScript."""
