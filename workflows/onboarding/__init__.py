"""The onboarding: story in `workflow`, steps in `steps`, what all parts know in `state`, and a part for each need."""
