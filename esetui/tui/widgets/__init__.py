"""Panes of the console and the pieces they are made of."""
