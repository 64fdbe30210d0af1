"""Backup: full, atomic, incremental and external; sets, chains and their manifest."""
