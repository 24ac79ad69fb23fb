"""Scheduled offers: what is posted to which groups, when, and exactly once.

Stands on its own: it imports neither ``agent`` nor ``knowledge``.
"""
