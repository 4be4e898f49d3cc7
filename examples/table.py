"""A table, a formula, and what the fit says of itself.

Which measurements go with the progression of diabetes? 442 patients (Efron et al., 2004), from scikit-learn.
"""

from __future__ import annotations

from sklearn.datasets import load_diabetes

import betahat as bh

patients = load_diabetes(as_frame=True, scaled=False).frame
train, test = patients[:400], patients[400:]

model = bh.fit("target ~ age + C(sex) + bmi + bp + np.log(s5)", train)
print(model.summary())
print()
print(model.explain())

print("\nDoes age matter, or the sex, beside the others?")
print(model.inference_.test("age = 0, `C(sex)[2]` = 0"))

interval = model.prediction_interval(test, level=0.9)
inside = (interval[:, 0] <= test["target"]) & (test["target"] <= interval[:, 1])
print(f"\nOf {len(test)} patients not used, {inside.sum()} lie in their 90 % prediction interval.")
