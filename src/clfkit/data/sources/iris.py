"""Fisher's irises: three species by four lengths."""

from __future__ import annotations

from clfkit.components import datasets
from clfkit.data.bundle import Dataset
from clfkit.data.sources._sklearn_tables import bundled


@datasets.register("iris", inputs="vector", classes=3)
def iris(seed: int) -> Dataset:
    """150 irises of three species, described by length and width of sepal and petal in centimetres.

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936, as scikit-learn carries it.
    """
    return bundled("iris")
