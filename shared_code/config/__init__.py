"""Settings: the study protocol, the site files, the codelists, and the digests that identify them."""

from shared_code.config.site import Site, sites_of
from shared_code.config.study import Analysis, Dimension, Policy, ResultsTable, Study

__all__ = ["Analysis", "Dimension", "Policy", "ResultsTable", "Site", "Study", "sites_of"]
