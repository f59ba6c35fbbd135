"""The files that the process of a load leaves in its folder.

Apart from `program`, which the process itself does not need: it is started for each load.
"""

from __future__ import annotations

REQUESTS, EVENTS, QUALITY = "requests.csv", "events.jsonl", "quality.json"
