"""The reports page: how well questions are dealt with."""
