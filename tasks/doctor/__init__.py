"""What `coinflowctl doctor` looks at, and what each sight means; it changes nothing and takes no message."""
