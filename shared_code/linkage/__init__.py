"""Linkage: from records with identifiers to pseudonyms, and how well that went; identifiers stay in here."""
