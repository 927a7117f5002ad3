"""The command line: `rapport …`, one module a noun."""
