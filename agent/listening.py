"""What tickets hear of a group's talk, and what is said about answers."""
