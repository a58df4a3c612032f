"""The worker side: stores Coinflow's events and moves the wallets' ledger to what they decide."""
