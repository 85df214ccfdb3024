"""Training: from corrected images to new weights. Needs torch; nothing else of the package imports it."""
