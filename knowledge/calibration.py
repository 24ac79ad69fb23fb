"""What labelled questions taught about an embedding: weights and a threshold, kept in the catalog's
database, one row for each embedding."""

from __future__ import annotations

import sqlalchemy as sa

from knowledge.catalog import Instant, metadata

calibrations = sa.Table(
    "knowledge_calibrations",
    metadata,
    # `Index.embedding`: what another embedding or language scores is measured by another scale.
    sa.Column("embedding", sa.Text, primary_key=True),
    sa.Column("threshold", sa.Float),
    sa.Column("weights", sa.JSON, nullable=False),
    sa.Column("labels", sa.Integer, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
)
