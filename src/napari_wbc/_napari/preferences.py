"""What a person has chosen in napari's Preferences for this plugin; the manifest declares it under `configurations`; no Qt."""

from __future__ import annotations

from typing import Any

PLUGIN = "napari-wbc"


def preferences(section: str) -> Any | None:
    """A section of the preferences, whose attributes may be read and set; None where napari did not find the plugin."""
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN), section)
    except KeyError:
        return None
