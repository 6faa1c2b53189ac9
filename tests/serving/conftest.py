"""A published shop, made once and copied for each test that asks for one."""

import shutil
from pathlib import Path

import pytest

from tests.serving.shop import Shop, small_shop


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return small_shop(tmp_path_factory.mktemp("published"))


@pytest.fixture
def shop(published: Shop, tmp_path: Path) -> Shop:
    """A small shop with a generation, for this test alone."""
    folder = tmp_path / "copy"
    shutil.copytree(published.folder, folder, symlinks=True)
    home = folder / "home" / "home.json"
    home.write_text(home.read_text().replace(str(published.folder), str(folder)))
    return Shop(folder)
