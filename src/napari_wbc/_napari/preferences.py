"""What a person has chosen in napari's Preferences for this plugin; the manifest declares it under `configurations`; no Qt."""

from __future__ import annotations

from typing import Any

PLUGIN = "napari-wbc"


def preferences(section: str) -> Any | None:
    """A section of the preferences, whose attributes may be read and set; None where napari has none.

    That is before napari 0.9, and where napari did not find the plugin by its manifest.
    """
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), section)
    except (ImportError, KeyError):
        return None
