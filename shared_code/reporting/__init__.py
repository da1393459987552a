"""Reporting: what report pages show. Pages compute nothing; they ask for findings, figures and tables by name."""

from shared_code.reporting.page import Report, open_report

__all__ = ["Report", "open_report"]
