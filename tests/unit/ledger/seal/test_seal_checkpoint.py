"""Checkpoints and notes, against published and signed ones."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.seal.checkpoint import (
    MAX_NOTE,
    Checkpoint,
    NoteError,
    SignatureError,
    Signer,
    VerifierKey,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_note,
)
from services.ledger.seal.merkle import leaf_hash

# golang/mod: sumdb/note/note_test.go
PETER = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = VerifierKey.parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)

# The key of sum.golang.org as the Go toolchain pins it, and notes that it has signed (the first
# in transparency-dev/formats: log/checkpoint_test.go; the second is the example of C2SP
# tlog-checkpoint under the origin that was signed).
SUMDB = VerifierKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
SUMDB_ORIGIN = "go.sum database tree"
SUMDB_NOTES = [
    (
        6476701,
        "mb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=",
        "Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=",
    ),
    (
        20852163,
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
    ),
]
# A note of 2023-01-09 with a cosignature by a key that we do not have.
COSIGNED = (
    "go.sum database tree\n15067302\ngJyioq6dwR9n+NjEWORfYmH+ubeYm3kH42BBQ0bTpYI=\n\n"
    "— sum.golang.org Az3grp1rvWOs5NKlr/xR4GLN/CDyzzakmt1o61uSxYKpK1SerqOP2ClbX/peKUZjYnyomH5X"
    "z7GZG3TpB7OeKn4E2ww=\n"
    "— test.example.com qTGhC/xIPQ0AXKHK6Y+9ypRfuvMZWPjRXM8NiOg5M1WREn07VQXyuIXM3NRNav3ieVFLUqDR"
    "K77PWDmL6w8w84UqeAw=\n"
)

ROOT = leaf_hash(b"hello world")
SIGNER = Signer("billing.example/ledger", bytes(range(32)))
ORIGIN = SIGNER.verifier.name


def test_signer_reproduces_a_published_signature() -> None:
    signer = Signer("PeterNeumann", PETER_SEED)
    assert signer.verifier == PETER
    assert str(signer.verifier) == (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )
    assert signer.sign(TEXT) == f"{TEXT}\n{PETER_LINE}"


def test_note_opens_with_any_one_of_its_keys() -> None:
    note = f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}"
    for trusted in ([PETER], [ENOCH], [PETER, ENOCH]):
        assert open_note(note, trusted) == TEXT
        assert open_note(note.encode(), trusted) == TEXT
    with pytest.raises(SignatureError, match="no trusted key"):
        open_note(note, [])
    assert open_note(f"{TEXT}\n{PETER_LINE * 2}{ENOCH_LINE * 2}", [PETER]) == TEXT


@pytest.mark.parametrize(("size", "root", "signature"), SUMDB_NOTES)
def test_notes_of_the_go_checksum_database_open(size: int, root: str, signature: str) -> None:
    note = f"{SUMDB_ORIGIN}\n{size}\n{root}\n\n— sum.golang.org {signature}\n"
    found = open_checkpoint(note, [SUMDB], SUMDB_ORIGIN)
    assert found == Checkpoint(SUMDB_ORIGIN, size, base64.b64decode(root))
    with pytest.raises(SignatureError, match="another log"):
        open_checkpoint(note, [SUMDB])
    with pytest.raises(SignatureError, match="is not valid"):
        open_checkpoint(note.replace(f"\n{size}", f"\n{size + 1}"), [SUMDB], SUMDB_ORIGIN)


def test_retired_key_signs_no_log_larger_than_its_last_one() -> None:
    retired = replace(SIGNER.verifier, until=600)
    successor = Signer(ORIGIN, bytes(32))
    trusted = (successor.verifier, retired)
    for size in (1, 600):
        note = SIGNER.sign(Checkpoint(ORIGIN, size, ROOT).text())
        assert open_checkpoint(note, trusted).size == size
    for size in (601, 10**8):
        text = Checkpoint(ORIGIN, size, ROOT).text()
        with pytest.raises(SignatureError, match="retired"):
            open_checkpoint(SIGNER.sign(text), trusted)
        assert open_checkpoint(successor.sign(text), trusted).size == size


def test_retired_key_is_written_with_its_limit() -> None:
    retired = replace(SIGNER.verifier, until=600)
    assert str(retired) == f"{SIGNER.verifier}@600"
    assert VerifierKey.parse(str(retired)) == retired
    for limit in ("", "-1", "01", "9" * 20, "x"):
        with pytest.raises(NoteError):
            VerifierKey.parse(f"{SIGNER.verifier}@{limit}")


def test_cosignature_by_an_unknown_key_is_ignored() -> None:
    assert open_checkpoint(COSIGNED, [SUMDB], SUMDB_ORIGIN).size == 15067302
    assert [line.name for line in parse_note(COSIGNED).signatures] == [
        "sum.golang.org",
        "test.example.com",
    ]


def test_damaged_verifier_key_is_refused() -> None:
    key = str(PETER)
    damaged = {key[i:j] for i in range(len(key)) for j in range(i, len(key) + 1)} - {key}
    damaged |= {key[:i] + chr(ord(key[i]) + 1) + key[i + 1 :] for i in range(len(key))}
    damaged |= {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        key.replace("c74f20a3", "C74F20A3"),
    }
    for text in damaged:
        with pytest.raises(NoteError):
            VerifierKey.parse(text)


def test_invalid_key_names_and_lengths_are_refused() -> None:
    for name in ("", "a+b", "a b", "a\tb", "a\nb", "a\u00a0b"):
        with pytest.raises(NoteError, match="the name of a key"):
            VerifierKey(name, bytes(32))
    with pytest.raises(NoteError, match="32 bytes"):
        VerifierKey("a", bytes(31))
    with pytest.raises(NoteError, match="32 bytes"):
        Signer("a", bytes(33))


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        TEXT + "\n",
        "",
        f"{TEXT}\n{PETER_LINE[:-1]}",
        f"\x01{TEXT}\n{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE}".encode() + b"\xff",
        f"{TEXT}\n{PETER_LINE}\ud800",
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad Name')}",
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Bad+Name')}",
        f"{TEXT}\n{PETER_LINE}Unexpected line.\n",
        f"{TEXT}\n{PETER_LINE.replace('— ', '- ')}",
        f"{TEXT}\n{PETER_LINE.replace('=', '')}",
        f"{TEXT}\n{PETER_LINE.replace('nAM=', 'nAN=')}",
        f"{TEXT}\n— PeterNeumann x08gow==\n",
        f"{TEXT}\r\n\r\n{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE * 101}",
        f"{'x' * MAX_NOTE}\n\n{PETER_LINE}",
    ],
)
def test_malformed_note_is_refused(note: str | bytes) -> None:
    with pytest.raises(NoteError):
        open_note(note, [PETER])


def test_wrong_signature_by_a_trusted_key_is_refused() -> None:
    wrong = f"{PETER_LINE[:60]}ABCD{PETER_LINE[60:]}"
    with pytest.raises(SignatureError, match="PeterNeumann is not valid"):
        open_note(f"{TEXT}\n{wrong}{ENOCH_LINE}", [PETER, ENOCH])
    for other in (PETER_LINE.replace("x08g", "xxxx"), PETER_LINE.replace("Peter", "Carmen")):
        with pytest.raises(SignatureError, match="no trusted key"):
            open_note(f"{TEXT}\n{other}", [PETER])


def test_checkpoint_text_is_the_published_form() -> None:
    # golang/mod: sumdb/tlog/note_test.go
    golden = f"{SUMDB_ORIGIN}\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"
    checkpoint = Checkpoint(SUMDB_ORIGIN, 123456789012, ROOT)
    assert checkpoint.text() == golden
    assert parse_checkpoint(golden) == checkpoint
    extended = Checkpoint("a", 0, ROOT, ("one", "two — three"))
    assert parse_checkpoint(extended.text()) == extended


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=",
        "\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n0xabcdef\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n01\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n+1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n-1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n1_0\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n\u0661\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n9223372036854775808\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "a\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb1=\n",
        "a\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n",
        "a\n1\nTszz\n",
        "a\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\n",
        "a\n1\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n\nb\n",
    ],
)
def test_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint(text)


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint("", 1, ROOT),
        Checkpoint("a\nb", 1, ROOT),
        Checkpoint("a", -1, ROOT),
        Checkpoint("a", 2**63, ROOT),
        Checkpoint("a", 1, ROOT[1:]),
        Checkpoint("a", 1, ROOT, ("",)),
        Checkpoint("a", 1, ROOT, ("b\nc",)),
    ],
)
def test_malformed_checkpoint_is_not_written(checkpoint: Checkpoint) -> None:
    with pytest.raises(NoteError):
        checkpoint.text()


lines = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_signed_checkpoint_opens_unchanged(size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(ORIGIN, size, root, tuple(extensions))
    note = SIGNER.sign(checkpoint.text())
    assert open_checkpoint(note, [SIGNER.verifier]) == checkpoint


@given(st.data())
def test_note_with_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    note = SIGNER.sign(Checkpoint(ORIGIN, 1000, ROOT).text()).encode()
    at = data.draw(st.integers(0, len(note) * 8 - 1))
    changed = bytearray(note)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises((NoteError, SignatureError)):
        open_checkpoint(bytes(changed), [SIGNER.verifier])
