"""A running instance at work: writers for the demonstration, figures over time, and the guided walk."""
