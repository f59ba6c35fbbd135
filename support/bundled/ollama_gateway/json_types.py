"""Names for JSON documents (RFC 8259) of requests and responses.

`Json` stands for Any: whatever a client or the target sends is looked at member by member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Json]
JsonMapping: TypeAlias = Mapping[str, Json]
