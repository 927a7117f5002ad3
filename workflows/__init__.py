"""What happens and when. Deterministic: everything that touches the world or a calendar is an activity."""
