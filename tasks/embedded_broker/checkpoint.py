"""When SQLite moves what was written from the WAL into the file."""

#: Pages after which it does: 16 MB, or 500 small messages. Whoever commits just then waits for all of it to
#: be on the disk; SQLite's own number is a quarter of that.
CHECKPOINT = 4_000
