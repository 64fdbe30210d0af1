"""B+-trees: search and walk over the pages of a source, whatever state they are in."""
