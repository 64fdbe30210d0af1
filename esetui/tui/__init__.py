"""The console: the only folder that imports textual."""
