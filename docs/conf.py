"""The documentation as a site: `sphinx-build -W -b html docs site`."""

from __future__ import annotations

import logging

from sphinx.ext.napoleon.docstring import NumpyDocstring

from napari_wbc import __version__

project, author, copyright = "napari-wbc", "The napari-wbc developers", "The napari-wbc developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["site"]

autodoc_typehints = "none"  # shapes and units are in the docstrings
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"napari-wbc {version}"
html_static_path = ["_static"]
html_css_files = ["words.css"]

# A page that not every version has may stand in a list of pages as a pattern.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(lambda record: "didn't match any" not in str(record.msg))

# Napoleon would take what stands before a colon in the first sentence of an attribute for its type.
NumpyDocstring._parse_attribute_docstring = NumpyDocstring._consume_to_end
