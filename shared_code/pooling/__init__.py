"""Pooling: releases of several sites become one set of results."""
