"""How well questions are dealt with, in figures; each says what it counts."""
