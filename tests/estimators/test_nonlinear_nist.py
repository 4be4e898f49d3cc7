"""NIST StRD nonlinear regression: each set from both starting points, with default settings."""

from __future__ import annotations

import numpy as np
import pytest
from nist_nonlinear import MODELS, nist_nonlinear
from reference_data import correct_digits

import betahat as bh

LANCZOS1_ERRORS = 3  # its residuals, of 1e-13, are the rounding of the data
FORMS = {
    "names": lambda reference: (reference.model, reference.starts),
    "array": lambda reference: (lambda X, beta: reference.model(X, *beta), reference.starts),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_certified_minimum(name, start, form):
    reference = nist_nonlinear(name)
    f, starts = FORMS[form](reference)
    m = bh.NonlinearRegression(f, starts[start]).fit(reference.x, reference.y)
    assert m.certificate_.status == "local minimum"
    assert m.stop_reason_ == "converged"
    inference = m.inference_
    assert min(map(correct_digits, m.coef_, reference.estimates)) >= 9
    least = LANCZOS1_ERRORS if name == "Lanczos1" else 9
    assert min(map(correct_digits, inference.std_err, reference.std_errors)) >= least
    if name != "Lanczos1":
        assert correct_digits(inference.scale * inference.df_resid, reference.residual_ss) >= 9


@pytest.mark.parametrize("name", ["Misra1a", "MGH09", "Bennett5", "ENSO", "Nelson"])
def test_error_bounds_hold(name):
    """β̂ from both starts differ by no more than what the certificates say of each."""
    reference = nist_nonlinear(name)
    one, two = (
        bh.NonlinearRegression(reference.model, s).fit(reference.x, reference.y) for s in reference.starts
    )
    apart = np.abs(one.coef_ - two.coef_)
    assert (apart <= one.certificate_.error_bound + two.certificate_.error_bound).all()


@pytest.mark.parametrize("solver", ["levenberg_marquardt", "gauss_newton", "trust_region", "bfgs"])
@pytest.mark.parametrize("name", ["Misra1a", "Chwirut2", "DanWood", "Kirby2", "Rat42", "Thurber", "Gauss1"])
def test_named_solvers_from_the_near_start(name, solver):
    reference = nist_nonlinear(name)
    m = bh.NonlinearRegression(reference.model, reference.starts[1], solver=solver, max_iter=3000)
    if solver == "bfgs":  # unscaled: it does what it can, and says how far that was
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", bh.CertificateWarning)
            m.fit(reference.x, reference.y)
        found = 2 * m.certificate_.loss * len(reference.y)
        assert m.certificate_.status == "not stationary" or found <= reference.residual_ss * (1 + 1e-6)
        return
    m.fit(reference.x, reference.y)
    assert m.solver_ == solver
    assert min(map(correct_digits, m.coef_, reference.estimates)) >= 9
