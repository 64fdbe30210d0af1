"""The only way to files: one protocol, and the file systems that speak it."""
