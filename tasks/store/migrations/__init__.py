"""Alembic's environment, the migrations, and what they share."""
