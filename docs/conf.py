"""Sphinx: MyST pages, and the API reference from the docstrings of the package as installed."""

from importlib.metadata import version as installed_version

project = "fastmodbus"
author = "the fastmodbus developers"
project_copyright = "the fastmodbus developers"
version = release = installed_version("fastmodbus")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"fastmodbus {release}"

myst_heading_anchors = 3

napoleon_google_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autosummary_generate = True
autosummary_ignore_module_all = False
