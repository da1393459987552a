"""Figures of a study, drawn from the pooled results and from nothing else."""

from shared_code.figures.draw import draw_figures

__all__ = ["draw_figures"]
