from pathlib import Path

import pytest

from tasks.payments.price_list import PriceListError
from tasks.worker.price_list_file import read_file


def test_a_missing_file_says_which_variable_names_it(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match="CATALOG_PATH") as error:
        read_file(tmp_path)
    assert error.value.told_of(tmp_path).startswith(f"{tmp_path}: Is a directory")


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(b"# one\n# caf\xe9\n[items]\n")
    with pytest.raises(PriceListError, match="line 2: not in UTF-8"):
        read_file(path)
