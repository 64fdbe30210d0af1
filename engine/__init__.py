"""ESE (JET Blue) storage engine: the on-disk format, transaction logs, backup."""
