"""The ways a fitted model is copied: each must come back as a twin."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import joblib
import pytest


def through_joblib(model: Any) -> Any:
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


WAYS = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "joblib": through_joblib,
    "pickle 2": lambda model: pickle.loads(pickle.dumps(model, 2)),
    "pickle 5": lambda model: pickle.loads(pickle.dumps(model, 5)),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
