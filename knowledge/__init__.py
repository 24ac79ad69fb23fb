"""What the community knows: sources, catalog, retrieval and answers.

Imports nothing of `agent` or `schedules`. The parts, in the order a question meets them:
`documents` (files -> chunks), `catalog` (what is known, in SQL), `index` (vectors and words,
derived from the catalog), `answering` (question -> `Answer` or `NoAnswer`).
"""
