"""What the law asks of a community: personal data masked, what leaves recorded, texts labelled."""
