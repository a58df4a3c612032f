"""A module that asks for its database when it is imported, which is away."""

raise ConnectionRefusedError
