"""Headers and records in words: fields as rows, and a verdict that says what they mean together."""
