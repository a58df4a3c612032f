"""`python -m tasks.cli`: coinflowctl where the project is not installed, as on Heroku."""

from tasks.cli import main

main(prog_name="coinflowctl")
