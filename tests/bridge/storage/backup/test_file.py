"""The file of a backup: what went in comes out, and whatever was done to it is found out."""

import io
import random
import secrets
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.storage.backup.errors import Damaged, OtherSecrets
from bridge.storage.backup.file import Reader, Rows, Secrets, Writer
from bridge.storage.database import Value

KEYS = Secrets(b"m" * 32, b"p" * 32, b"i" * 32)
# As in the databases: neither NULs nor half surrogate pairs in a text, whole numbers of 64 bits.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), texts, st.binary(), st.floats(allow_nan=False)
)


def written(*rows: tuple[str, list[str], list[Value]]) -> bytes:
    return made(rows)


def made(rows: Iterable[tuple[str, list[str], list[Value]]]) -> bytes:
    file = io.BytesIO()
    writer = Writer(file, KEYS, taken_at=1, migrations=[1, 2])
    for table, columns, row in rows:
        writer.add(table, columns, row)
    writer.close()
    return file.getvalue()


def opened(data: bytes, keys: Secrets = KEYS) -> list[Rows]:
    return list(Reader(io.BytesIO(data), keys).rows())


def some() -> bytes:
    """Of several frames."""
    notes: list[tuple[str, list[str], list[Value]]] = [
        ("notes", ["name", "body"], [f"n{number}", secrets.token_bytes(400_000)]) for number in range(8)
    ]
    return made([*notes, ("pages", ["number"], [7])])


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(values, min_size=2, max_size=2))))
def test_what_went_in_comes_out(given_rows: list[tuple[str, list[Value]]]) -> None:
    data = made((table, ["x", "y"], row) for table, row in given_rows)
    read = [(batch.table, row) for batch in opened(data) for row in batch.rows]
    assert [(table, repr(row)) for table, row in read] == [(table, repr(row)) for table, row in given_rows]


def test_a_row_larger_than_a_frame_goes_in_too() -> None:
    body = secrets.token_bytes(5_000_000)
    (batch,) = opened(written(("inbox", ["body"], [body])))
    assert batch.rows == [[body]]


def test_any_altered_byte_is_found() -> None:
    data = some()
    places = [*range(120), *random.Random(1).sample(range(len(data)), 60), len(data) - 1]
    for place in places:
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((Damaged, OtherSecrets)):
            opened(altered)


def test_whatever_is_missing_or_too_much_is_found() -> None:
    data = some()
    for wrong in (
        b"",
        data[:10],
        data[:60],
        data[: len(data) // 2],
        data[:-1],
        data + b"x",
        b"SQLite format 3\0",
    ):
        with pytest.raises(Damaged):
            opened(wrong)


def test_frames_are_neither_left_out_nor_moved() -> None:
    data, frames, at = some(), [], 49  # magic, salt and check
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        frames.append(data[at:end])
        at = end
    start = data[:49]
    assert start + b"".join(frames) == data
    assert len(frames) > 4
    for wrong in (
        frames[:-1],  # the end
        [*frames[:2], *frames[3:]],
        [frames[0], frames[2], frames[1], *frames[3:]],
        [*frames[:2], frames[1], *frames[2:]],
        [frames[0], frames[-1]],
    ):
        with pytest.raises(Damaged):
            opened(start + b"".join(wrong))


def test_each_secret_must_be_the_one_it_was_made_with() -> None:
    data, other = some(), b"o" * 32
    for keys, name in (
        (Secrets(other, KEYS.pickle_key, KEYS.identity_secret), "storage.master_key"),
        (Secrets(KEYS.master_key, other, KEYS.identity_secret), "encryption.pickle_key"),
        (Secrets(KEYS.master_key, KEYS.pickle_key, other), "encryption.identity_secret"),
    ):
        with pytest.raises(OtherSecrets, match=name):
            opened(data, keys)


def test_nothing_of_it_can_be_read_without_the_key() -> None:
    name = "Anna Kanarienvogel"
    data = written(("participants", ["name"], [name]), ("secret", ["x"], [KEYS.pickle_key]))
    for told in (
        name.encode(),
        b"participants",
        b"taken_at",
        KEYS.pickle_key,
        KEYS.master_key,
        KEYS.identity_secret,
    ):
        assert told not in data
    assert written() != written()  # the same never looks the same
