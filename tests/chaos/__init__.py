"""The fault suite: breaks the real thing and counts what was lost and what was granted twice."""
