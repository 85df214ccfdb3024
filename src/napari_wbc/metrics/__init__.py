"""How well results agree with the truth, as numpy functions: `pixels`, `objects` (boxes, outlines) and `cell_types`."""
