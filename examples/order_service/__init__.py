"""A shop whose checkout names orders, and the service that knows them."""
