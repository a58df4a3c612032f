"""Programs that tests run in processes of their own, as `python -m tests.programs.NAME`."""
