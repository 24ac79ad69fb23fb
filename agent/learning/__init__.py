"""Answered questions become knowledge: drafted, shown, approved, measured."""
