"""Parts that stored estimators share: certificates and traces, each value checked."""

from __future__ import annotations

from betahat.certificate import STATUSES, Certificate
from betahat.errors import StorageError
from betahat.solvers.sparse.fit import SparseDetails
from betahat.solvers.trace import Trace
from betahat.storage import Fields


def read_certificate(stored: Fields, t: int, m: int) -> Certificate:
    """Of t targets with m coefficients each."""
    shape = (m,) if t == 1 else (t, m)
    gap, decrement = stored.raw("duality_gap"), stored.raw("newton_decrement")
    return Certificate(
        status=stored.text("status", STATUSES),
        converged=stored.flag("converged"),
        loss=stored.number("loss"),
        gradient=stored.array("gradient", shape),
        tolerances=stored.array("tolerances", shape),
        gradient_norm=stored.number("gradient_norm"),
        tolerance=stored.number("tolerance"),
        condition_number=stored.number("condition_number"),
        error_bound=stored.array("error_bound", shape),
        error_bound_kind=stored.text("error_bound_kind", ("bound", "estimate")),
        readings=stored.whole("readings"),
        message=stored.text("message"),
        duality_gap=None if gap is None else stored.number("duality_gap"),
        carried=stored.flag("carried"),
        newton_decrement=None if decrement is None else stored.number("newton_decrement"),
    )


def read_sparse(stored: Fields, t: int) -> SparseDetails:
    """Of t targets."""
    counts = [stored.raw(name) for name in ("active", "proved")]
    for found in counts:
        if not (
            isinstance(found, list) and len(found) == t and all(type(n) is int and n >= 0 for n in found)
        ):
            raise StorageError(f"`{stored.where}` has the counts {found!r}; {t} whole numbers are expected")
    return SparseDetails(
        stored.whole("iterations"),
        tuple(counts[0]),
        tuple(counts[1]),
        stored.number("tolerance", finite=True),
    )


def read_trace(stored: Fields) -> Trace:
    """What `Trace.to_dict` wrote."""
    return Trace.from_dict({"rows": stored.array("rows", (None, 4))})
