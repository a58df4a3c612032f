"""What can be read: frozen dataclasses, the same for the command line and whoever else shows them.

One name per fact: what a payment, an event, a run or a letter has come to is its `state`; what a wallet may
do with what it was granted is the grant's `status`. A list is bounded by a filter and has the newest last.
"""
