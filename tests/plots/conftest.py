"""Runs of a few steps, one for each kind of data, shared by all tests of figures."""

from __future__ import annotations

import pytest
from drawn_classifiers import config_of, trained

from clfkit.classifier import Classifier


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Five classes in the plane."""
    return trained(tmp_path_factory.mktemp("blobs"), config_of("{name: blobs, samples: 600}"))


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Three classes in four dimensions."""
    return trained(tmp_path_factory.mktemp("iris"), config_of("iris"))


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Ten classes of grey images."""
    return trained(tmp_path_factory.mktemp("digits"), config_of("digits"))
