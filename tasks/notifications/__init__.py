"""The ledger's changes, told to the merchant's own servers and functions."""
