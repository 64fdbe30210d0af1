"""The one place where pages change: `apply` and `apply_macro` put a log record into its pages."""
