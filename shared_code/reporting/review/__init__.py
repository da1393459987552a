"""The review page: one file, readable offline, that shows a site everything that would leave it, and why the rest would not."""

from shared_code.reporting.review.page import Draft, review_page

__all__ = ["Draft", "review_page"]
