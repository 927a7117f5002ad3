"""How things begin and how people answer: the command line, HTTP, and the embedded stack."""
