"""Pages in memory: decoded for change, read through sources, kept within bounds."""
