"""What people are shown, read from storage: names in the place of ids, and the one thing that moves each matter on."""
