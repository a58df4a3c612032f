"""The web side: authenticates Coinflow's deliveries, hands them to the broker and answers."""
