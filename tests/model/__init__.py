"""The rules of a payment once more, written from their description alone: plain, slow and independent.

Nothing here is shared with `tasks.payments` or `tasks.store`. `tests.oracle` folds what these modules say.
"""
