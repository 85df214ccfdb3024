"""Fail if a test of the real window was skipped, or none was run: `python no_gui_skipped.py tests.xml`."""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

GUI = "test_window"

cases = [case for case in ET.parse(sys.argv[1]).iter("testcase") if GUI in case.get("classname", "")]
skips = {case.get("name"): case.find("skipped") for case in cases}
skipped = [name for name, skip in skips.items() if skip is not None and "real window" in skip.get("message", "")]
if not cases or skipped:
    sys.exit(f"{len(cases)} tests of the window found, skipped: {skipped or 'none'}.")
sys.stdout.write(f"{len(cases)} tests of the window ran.\n")
