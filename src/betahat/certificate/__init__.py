"""Is it a minimum? Answered from the data, independent of the solver's own bookkeeping.

What a solver believed on its way does not belong here.
"""

from betahat.certificate.base import EPS, RELATIVE_TOLERANCE, STATUSES, Certificate
from betahat.certificate.concordance import Distance, distance
from betahat.certificate.duality import Gap, duality_gap
from betahat.certificate.linear import certify_linear
from betahat.certificate.smooth import (
    Curvature,
    Proof,
    certificate_of,
    certify_smooth,
    curvature,
    curvature_of_squares,
)
from betahat.certificate.sparse import certify_sparse

__all__ = [
    "EPS",
    "RELATIVE_TOLERANCE",
    "STATUSES",
    "Certificate",
    "Curvature",
    "Distance",
    "Gap",
    "Proof",
    "certificate_of",
    "certify_linear",
    "certify_smooth",
    "certify_sparse",
    "curvature",
    "curvature_of_squares",
    "distance",
    "duality_gap",
]
