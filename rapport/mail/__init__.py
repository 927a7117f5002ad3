"""Mail: composing, invitations, the outbox, and the wire."""
