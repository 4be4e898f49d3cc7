from betahat import data as data
from betahat import errors as errors
from betahat import inference as inference
from betahat import kernels as kernels
from betahat import losses as losses
from betahat import penalties as penalties
from betahat import solvers as solvers
from betahat.errors import CertificateWarning as CertificateWarning
from betahat.errors import CollinearityError as CollinearityError
from betahat.errors import CollinearityWarning as CollinearityWarning
from betahat.errors import DataError as DataError
from betahat.errors import FormulaError as FormulaError
from betahat.errors import InferenceError as InferenceError
from betahat.errors import MissingRowsWarning as MissingRowsWarning
from betahat.errors import MissingValueError as MissingValueError
from betahat.errors import StorageError as StorageError
from betahat.errors import UnseenLevelError as UnseenLevelError
from betahat.estimators.formula import fit as fit
from betahat.estimators.linear_regression import LinearRegression as LinearRegression
from betahat.estimators.polynomial_regression import PolynomialRegression as PolynomialRegression
from betahat.estimators.ridge import Ridge as Ridge
from betahat.estimators.storing import load as load
from betahat.report.versions import show_versions as show_versions

__version__: str
