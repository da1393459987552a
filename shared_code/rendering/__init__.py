"""Render a Quarto website project: with Quarto where it is installed, otherwise with the renderer in this package.

    from shared_code.rendering import render
    used = render(Path("reports"), Path("public/reports"), {"period": "2024"})

The subset of Quarto that both renderers turn into the same content is listed in `options.py`, `ast_blocks.py` and
`shortcodes.py`; anything outside it stops the built-in renderer with a message that names page and line.
"""

from .problems import RenderingError
from .quarto import quarto_available, render
from .site import render_page, render_site

__all__ = ["RenderingError", "quarto_available", "render", "render_page", "render_site"]
