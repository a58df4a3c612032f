"""`python -m tasks.cli`: coinflowctl where the project is not installed, as on Heroku."""

from tasks.cli import run

run()
