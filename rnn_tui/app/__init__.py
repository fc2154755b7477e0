"""The app: what a person sees. The only package that imports Textual; it holds no tensor."""

from __future__ import annotations

import os

# Textual reads it when it is imported. A terminal sends a key's bytes in one piece, so 25 ms tell
# the escape key from the start of a sequence; Textual's own 100 ms make escape feel slow.
os.environ.setdefault("ESCDELAY", "25")
