"""One Spark for all tests: it takes seconds to start."""

from __future__ import annotations

import pytest

from spark import Spark


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    spark = Spark(tmp_path_factory.mktemp("spark"))
    yield spark
    spark.close()
