"""The commands: one module a command; standard output is data, standard error is narration."""
