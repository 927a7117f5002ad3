"""Pure rules: no I/O, no clock, no environment. What they need is handed in, what they decide is returned."""
