"""What estimators warn of at the end of a fit."""

from __future__ import annotations

import warnings

from betahat.certificate import Certificate
from betahat.errors import CertificateWarning, CollinearityWarning, users_line

_SHOWN = 8


def warn_collinear(remarks: list[str], collinear: str) -> None:
    """Which columns say the same as others, and what was done; nothing without `remarks`."""
    if not remarks:
        return
    more = f"; and {len(remarks) - _SHOWN} more" if len(remarks) > _SHOWN else ""
    done = (
        "of all coefficients with the smallest loss those of smallest norm were taken"
        if collinear == "minimum_norm"
        else "these columns were dropped (their coefficients are 0)"
    )
    warnings.warn(
        f"{'; '.join(remarks[:_SHOWN])}{more}: {done}", CollinearityWarning, stacklevel=users_line()
    )


def warn_uncertified(certificate: Certificate) -> None:
    """That a minimum is not proved, where it is not."""
    if not certificate.converged:
        warnings.warn(f"not certified: {certificate.message}", CertificateWarning, stacklevel=users_line())
