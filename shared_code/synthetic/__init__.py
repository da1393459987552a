"""Demonstration sites: made-up people with a known truth, delivered in five shapes."""

from shared_code.synthetic.make import make_extract

__all__ = ["make_extract"]
