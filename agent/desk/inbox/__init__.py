"""The inbox and its tickets, in the browser."""
