"""The tasks: intake, fulfilment, handling, recovery, and how one sends work to the others."""
