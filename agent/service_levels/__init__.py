"""What was promised to members, and when it is due."""
