"""The napari front end: layers, widgets, reader and samples; no decisions and no arithmetic of the analysis."""
