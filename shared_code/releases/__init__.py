"""Releases: what leaves a site, as one package whose every byte can be checked."""
