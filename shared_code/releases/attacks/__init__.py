"""Attackers of files: what a package, a picture or a notebook gives away beside the numbers it means to show."""
