"""Breast tumours, malignant or benign, by thirty measures of their cell nuclei."""

from __future__ import annotations

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._sklearn_tables import bundled


@datasets.register("breast_cancer", inputs="vector", classes=2)
def breast_cancer(seed: int) -> Dataset:
    """569 breast tumours, malignant or benign, described by 30 measures of their cell nuclei.

    Source: Wolberg, Mangasarian, Street and Street, UCI Machine Learning Repository, 1995, as scikit-learn carries it.
    """
    return bundled("breast_cancer")
