"""Wines of three growers by thirteen chemical measures."""

from __future__ import annotations

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._sklearn_tables import bundled


@datasets.register("wine", inputs="vector", classes=3)
def wine(seed: int) -> Dataset:
    """178 Italian wines of three growers, described by 13 chemical measures.

    Source: Aeberhard and Forina, UCI Machine Learning Repository, 1992, as scikit-learn carries it.
    """
    return bundled("wine")
