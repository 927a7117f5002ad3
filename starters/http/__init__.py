"""HTTP: the JSON API, signed webhooks, and the pages."""
