"""Restore: a backup set becomes databases again, rolled forward through newer logs where there are any."""
