from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cove.adapters import cipher
from cove.adapters.cipher import FileCipher
from cove.errors import PlatformError


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cipher for tests that leave its key alone."""
    return FileCipher(tmp_path_factory.mktemp("data"))


@given(plain=st.binary(max_size=2_000))
def test_what_was_sealed_opens(shared, plain):
    """Opening gives back exactly what was sealed."""
    assert shared.open(shared.seal(plain)) == plain


def test_sealing_twice_differs(shared):
    """Equal secrets cannot be told from their sealed form."""
    first, second = shared.seal(b"s3cret"), shared.seal(b"s3cret")
    assert first != second
    assert b"s3cret" not in first


@given(data=st.data())
def test_changed_bytes_do_not_open(shared, data):
    """A flipped bit anywhere or a cut is noticed."""
    sealed = bytearray(shared.seal(b"s3cret"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    if data.draw(st.booleans()):
        sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del sealed[place:]
    with pytest.raises(PlatformError) as caught:
        shared.open(bytes(sealed))
    assert caught.value.specific_code == "secret-key"


def test_other_format_is_said(shared):
    """What a future cove seals in another way is told from what was tampered with."""
    with pytest.raises(PlatformError, match="another version"):
        shared.open(b"\x02" + shared.seal(b"s3cret")[1:])


def test_key_outlives_its_process(tmp_path):
    """Another cipher on the same data opens what the first sealed."""
    sealed = FileCipher(tmp_path).seal(b"s3cret")
    assert FileCipher(tmp_path).open(sealed) == b"s3cret"


def test_key_is_for_its_owner_alone(tmp_path):
    """The key file is made on the first seal, private whatever the umask, and nothing else is."""
    before = os.umask(0)
    try:
        instance = FileCipher(tmp_path)
        assert list(tmp_path.iterdir()) == []
        instance.seal(b"s3cret")
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert (tmp_path / "secret.key").stat().st_size == 32


def test_key_of_a_faster_process_counts(tmp_path, monkeypatch):
    """When two processes make the key at once, both use the one that was there first."""
    create = cipher._create

    def late(path: Path) -> None:
        create(path)
        winner = path.read_bytes()
        create(path)
        assert path.read_bytes() == winner

    monkeypatch.setattr(cipher, "_create", late)
    sealed = FileCipher(tmp_path).seal(b"s3cret")
    assert FileCipher(tmp_path).open(sealed) == b"s3cret"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_half_written_key_is_never_seen(tmp_path, monkeypatch):
    """A failure while the key is written leaves no key, so that the next attempt makes one."""

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(PlatformError, match="No space left") as caught:
            FileCipher(tmp_path).seal(b"s3cret")
    assert caught.value.specific_code == "disk-full"
    assert list(tmp_path.iterdir()) == []
    assert FileCipher(tmp_path).seal(b"s3cret")


def test_missing_key_is_not_replaced_by_opening(tmp_path):
    """Without the key opening fails, says what to restore, and makes no new key."""
    sealed = FileCipher(tmp_path).seal(b"s3cret")
    (tmp_path / "secret.key").unlink()
    with pytest.raises(PlatformError, match="is missing") as caught:
        FileCipher(tmp_path).open(sealed)
    assert caught.value.specific_code == "secret-key"
    assert "backup" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_wrong_key_is_said(tmp_path):
    """A key that belongs to other data does not open this data's secrets."""
    sealed = FileCipher(tmp_path).seal(b"s3cret")
    (tmp_path / "secret.key").write_bytes(os.urandom(32))
    with pytest.raises(PlatformError, match="does not open what is stored"):
        FileCipher(tmp_path).open(sealed)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_what_is_no_key_is_said(tmp_path, content):
    """A key file of the wrong size is neither used nor replaced."""
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PlatformError, match="is not a key"):
        FileCipher(tmp_path).seal(b"s3cret")
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_open_to_others_is_refused(tmp_path, mode):
    """A key that others could have read is not used."""
    FileCipher(tmp_path).seal(b"s3cret")
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(PlatformError, match="open to other users") as caught:
        FileCipher(tmp_path).seal(b"s3cret")
    assert caught.value.specific_code == "secret-key"
    assert "chmod 600" in caught.value.hint


def test_missing_directory_is_said(tmp_path):
    """A data directory that is not there is named."""
    with pytest.raises(PlatformError) as caught:
        FileCipher(tmp_path / "nowhere").seal(b"s3cret")
    assert caught.value.specific_code == "data-dir"
    assert str(tmp_path / "nowhere") in caught.value.message


def test_library_is_loaded_on_first_use(tmp_path):
    """Who seals nothing does not load the library, which costs memory."""
    program = (
        "import sys; from pathlib import Path; from cove.adapters.cipher import FileCipher\n"
        "cipher = FileCipher(Path(sys.argv[1])); before = 'cryptography' in sys.modules\n"
        "cipher.seal(b''); print(before, 'cryptography' in sys.modules)"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
