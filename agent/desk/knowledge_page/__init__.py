"""The knowledge page: entries, drafts that wait, gaps, and a question on trial."""
