"""The transaction log: reading streams, appending records, generations, truncation."""
