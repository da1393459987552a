"""Sources: readers of every kind of extract, and the mapping to the common data model."""
