"""Crash recovery: analysis, redo, undo."""
