"""Disclosure control: one engine behind one door."""

from shared_code.disclosure import rules_models, rules_records
from shared_code.disclosure.forms import Earlier, Protected
from shared_code.disclosure.pooled import partner_reasons, protect_pooled
from shared_code.disclosure.protect import protect, summary

__all__ = ["Earlier", "Protected", "partner_reasons", "protect", "protect_pooled", "rules_models", "rules_records",
           "summary"]  # fmt: skip
