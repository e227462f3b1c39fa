"""The store: transactions, and a file of another version."""

import sqlite3

import pytest

from dev_idp.store import Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "idp.sqlite"


def remember_in_vain(store):
    with store.transaction():
        store.remember("x", 1)
        raise ZeroDivisionError


def test_a_transaction_that_fails_leaves_nothing_behind(path):
    store = Store(path)
    with pytest.raises(ZeroDivisionError):
        remember_in_vain(store)
    assert store.one("value", name="x") is None
    store.close()


def test_a_remembered_value_is_made_once(path):
    store = Store(path)
    values = iter((1, 2))
    assert [store.remembered("x", lambda: next(values)) for _ in range(2)] == [1, 1]
    store.close()


def test_a_file_of_another_version_is_begun_anew(path):
    with sqlite3.connect(path) as old:
        old.execute("create table codes (something_else text)")
        old.execute("create table sessions (sid text)")
    old.close()
    store = Store(path)
    assert store.one("code", hash="x") is None
    store.remember("x", 1)
    store.close()
    again = Store(path)
    assert again.remembered("x", int) == 1
    again.close()
