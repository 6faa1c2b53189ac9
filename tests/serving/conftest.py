"""A published shop, made once and copied for each test that asks for one."""

import shutil
from collections.abc import Callable

import pytest

from tests.serving.shop import Shop, small_shop


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return small_shop(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def a_copy(published: Shop, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Shop]:
    """Makes a small shop with a generation, for whom alone it is asked."""

    def copied() -> Shop:
        folder = tmp_path_factory.mktemp("copy") / "of"
        shutil.copytree(published.folder, folder, symlinks=True)
        home = folder / "home" / "home.json"
        home.write_text(home.read_text().replace(str(published.folder), str(folder)))
        return Shop(folder)

    return copied


@pytest.fixture
def shop(a_copy: Callable[[], Shop]) -> Shop:
    """A small shop with a generation, for this test alone."""
    return a_copy()
