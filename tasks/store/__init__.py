"""SQL alone: the event log, the runs and the ledger."""
