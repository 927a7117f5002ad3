"""What touches the world: small classes with their dependencies handed in, one class a subject."""
