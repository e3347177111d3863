"""Types of the arrays that layers pass to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
