"""Recovery and restore behind their screens: plans in words, jobs, and where in their course they are."""
