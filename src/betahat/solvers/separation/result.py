"""What the test for separation found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class Separation:
    """Whether a maximum of the likelihood exists, and if not, why.

    Coefficients are counted in the order of estimates, m of them: the intercept first, if any.

    kind : "none" (a maximum exists), "complete" (a direction raises the likelihood of every row) or "quasi-complete";
    direction : (m,), or (K, m) with rows that sum to 0 for K classes: δ along which the likelihood rises for ever, in
    the columns' units, scaled so that the largest δⱼ sdⱼ is 1; None where there is none;
    columns : the coefficients whose estimates are infinite, those that are not 0 in some such direction;
    infinite : the same as a mask, (m,), or (K, m) for classes whose coefficients sum to 0;
    span : (s, m) or (s, K, m), a basis of all such directions and their opposites, from which infinite contrasts in
    another coding follow;
    rows : how many rows are predicted without error in the limit; of : how many there are (weight 0 left out);
    classes : codes of the classes these rows belong to;
    certain : whether signs were proven; otherwise they hold to rounding only, and `message` says so;
    message : in words.
    """

    kind: Literal["none", "quasi-complete", "complete"]
    direction: np.ndarray | None
    columns: tuple[int, ...]
    infinite: np.ndarray
    span: np.ndarray
    rows: int
    of: int | None
    classes: tuple[int, ...]
    certain: bool
    message: str
