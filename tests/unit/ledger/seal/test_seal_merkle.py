"""The Merkle tree, against published vectors and a naive implementation of the RFC."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.seal.merkle import (
    EMPTY_ROOT,
    CompactRange,
    ProofError,
    consistency_proof,
    frontier,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    verify_consistency,
    verify_inclusion,
)
from tests.leaf_hashes import LeafHashes

# The vectors of certificate-transparency, in use by all its implementations
# (transparency-dev/merkle: proof/verify_test.go and rfc6962/rfc6962_test.go).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    bytes.fromhex(root)
    for root in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
G = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
H = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
I = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"  # noqa: E741
J = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"

INCLUSIONS = [  # number of the leaf from 1, size, path
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [D, E, F]),
    (3, 3, [G]),
    (2, 5, [H, B, D]),
]
CONSISTENCIES = [  # old size, new size, path
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [I, E, F]),
    (2, 5, [B, D]),
    (6, 7, [I, J, F]),
]
SOME_HASH = sha256(b"some").digest()

# Responses of the Certificate Transparency log Argon 2020 for its entry 10000 and for the tree of
# 3654490 entries (golang/mod: sumdb/tlog/testdata/argon2020), against its root of 961984013.
ARGON_SIZE = 961984013
ARGON_ROOT = "dwlueapdd7LaOEnX2W2Wp9v2XE+KzejHRQGHwEx0oaM="
ARGON_LEAF_10000 = "nCs3mfIydh9x4CKyQ+u2xtmpxmFggA5MLymHwNQSlLg="
ARGON_PATH = """
    T46AmJsuOM/gFiGlUp+IJJebp+1Z5qratFNW7U0JyOQ= 9Jj1Feodn42uRYEfffkV4HF/EIPFQ5Zo9IwkxbQ2uhk=
    D53/1oCNebF4J59HHgioovKZxrmrKcVuCVhy3Izg8Ck= wSFDgGSrsXRPA+1c8WHoAFCsWeUv8NDyP/Q/SgsyVyY=
    516/RcwsgdwdzHn18v1dJHqBkgFUbNhmCIWOGjsMJaE= naTFY2ajLFgrgs5XUl+zJYZnnlJksLGsA1VYwpLfqbY=
    mKBRJo6qao+0Kdh/rhGkZUbHUAxMhrtrclrTpIbNjIg= Co4ueOFE7lpifLio94irxxsv1wFMMaK3tPu2ZQkHlro=
    yRgy800K6JMYCC05sWfqF2kvCg2riT/pVM+nEa6V5+0= n2O38XJZC8/Wpbwi9HhgVizlUyeUHVZvYyQB1607MRc=
    go3tAjuNfNSCj87y2Rg1xOroDknGN1eaf3cgvzObf7Q= 8D0Mj3/J7ySSnFb0afIHYXv6rlOhECnsebY6XKi1IR8=
    6rcez46ZU8M5vPiWVMAUfJfAOV0pPP/mch/lYzZhj/M= 2rtIeXrPvSdUyHc5maIgSAVB2BzaKaupWxSAiVayDE4=
    nniW/IMFQPN5xw8UsHFn7CRStYbm1gLu7NNa6kkRqJQ= mRPPi7sQS22MduIEyvcNzCNFqIt6kLwYPkNKrVtIcu8=
    JvTivzESNS9wHI8aph5a7uieVmtS/p9PciMZ5D6GyOo= UTyQd+Ym0wY4zG+qK806bBORwi1CSVvFQ/KknnqoZj8=
    hXODrqN+ff+U6zPqRQ+ZQKs6im1fPcxIerDSfNwflhE= II6GE+WY/DrpZzfHztLwkR46o37zVkNLCyPYlf68zA0=
    d609kWWcNBllbA8Jb/ad4XAVVGnScLRmtP8FYyr+Dck= rikBsP0G0gioXRpBFED2CzQdSLrGPvRd0bEcbEZw1rI=
    GXIElfmnRuWfbA4z7ubV/UwlpSRUbUeec7oL5HDDnh0= pR0SH/NYP6s9+8azWwaeUXA4Ze/3WCIgMfh5YW6wvcE=
    f3GuAKYVrF8RBg3s15jvA/YvV9oAliWtzP/imwPhQVA= WHn8zDxlVgkV+lSlmzaOdfSBrTHoRr5nT3d76q0KKWE=
    f2uV2ZxVgULzLPKuZcowRY3ZY7fRlX59iDBjV1R8kNQ= NzQVjJsvQwbi7WStMr9oFkh9VbHfK7LB6o7WwAqwNTs=
    C0LttBeYHZHgL+032JIcJC3CTBIyza/hsbmJUgJfmDI= nixU5CWTFVDlF4BGdcU6kA7WSYurEpe9jRWc+F/7sOc=
"""
ARGON_OLD_SIZE = 3654490
ARGON_OLD_ROOT = "AuIZ5V6sDUj1vn3Y1K85oOaQ7y+FJJKtyRTl1edIKBQ="
ARGON_CONSISTENCY = """
    80Sfbj6UQEdVSZCSIgh9NMPj3vCBzcc1A48B2crJSWg= FZcrgAHUk6nNPviJZq8kEK6jCG1d18pJOFE45ZDc1TQ=
    Q67reWXmPBo1UfmwBap4Xi9PMPfFdUSSw3WGlRZdG7k= eJ7CyhR4PxzBxDIsWgrVYW1eFUb9ndgf46tFmiqVrxA=
    QrDwp062Grm5WY8KdrhFsBuuNjGzRox2Jb8PmVL5OYw= XM4YMjMEdLH/XJam/ZWyaP14k3cmsOtnPsOWQ54lW1s=
    SGiBh+jOTGccXU48ZzgQ88lRcBmtB4wz4oSDndv2QTg= WAS6txqNLYKGL1GdBdpqmV42TTfn6cJsuDsqLXuTCNI=
    QFmRS0rirUA7ZN3lxFjDncV+E1OCrn3NUB4RCp+5fzc= Hdbp7It2XBNZmNDBpCN/KPd7vfVqxgzwOosqVIaEA9E=
    mxvHL0ZiblBdD7j7pIa1jlfB0gSqfJ6oX0UGo7L0VsU= q5hjyvoW6TL/PThgcitpDcSTrnKX2p1+aqscqH2euRA=
    jTOWDqt3IHj2NVFeezyBz2ofpru+ztEywqKUAfFclKI= GIRn0w3HqJdvU9j1WVD//eR6lk2AaTVjyzjsJNP8U88=
    x52GJvxG81fnQBrgOTbll1A5tz95/LXK0Ag1NhB0r1I= 6/0OqrcTgc3o5dD5PymmoC96lB9yLPFuTHVvLy8fSGk=
    Gf+iKLfcXO5l4JEFmsZvSdG5q1uEeWPfYLrds6pmjz0= DGuaco+McyM3AfRSF6qX7RwSetwe2ieYJmxw5e9rVx0=
    2tQJ9V32hnYp+fdpP6TcjmgJmLeNVOMKM0Ml1kk4cNU= 3PapK+IkyJr8I9yAErAmzuZezzLMzsg+PfeRCgNW8NQ=
    s6xiYeejb+wtqHA+URJZ2I/SCPyIW8coP6aB00FJbMY= z9lSpmdTcr5M5ZzKlc4EPh3SrSypKFdk6JUF/UccaZU=
    GXIElfmnRuWfbA4z7ubV/UwlpSRUbUeec7oL5HDDnh0= pR0SH/NYP6s9+8azWwaeUXA4Ze/3WCIgMfh5YW6wvcE=
    f3GuAKYVrF8RBg3s15jvA/YvV9oAliWtzP/imwPhQVA= WHn8zDxlVgkV+lSlmzaOdfSBrTHoRr5nT3d76q0KKWE=
    f2uV2ZxVgULzLPKuZcowRY3ZY7fRlX59iDBjV1R8kNQ= NzQVjJsvQwbi7WStMr9oFkh9VbHfK7LB6o7WwAqwNTs=
    C0LttBeYHZHgL+032JIcJC3CTBIyza/hsbmJUgJfmDI= nixU5CWTFVDlF4BGdcU6kA7WSYurEpe9jRWc+F/7sOc=
"""


def unhex(hashes: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(hash_) for hash_ in hashes]


def unbase64(hashes: str) -> list[bytes]:
    return [base64.b64decode(hash_) for hash_ in hashes.split()]


def hashed(leaves: Sequence[bytes]) -> list[bytes]:
    return [leaf_hash(leaf) for leaf in leaves]


# The RFC's definitions, transcribed literally.


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = naive_split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def naive_split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def grown(leaves: Sequence[bytes]) -> CompactRange:
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    return tree


def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == H
    leaf = "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert leaf_hash(b"L123456").hex() == leaf
    node = "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert node_hash(b"N123", b"N456").hex() == node


@pytest.mark.parametrize("size", range(1, 9))
def test_reference_leaves_have_the_published_roots(size: int) -> None:
    assert grown(LEAVES[:size]).root() == ROOTS[size - 1]
    assert naive_root(LEAVES[:size]) == ROOTS[size - 1]


@pytest.mark.parametrize(("number", "size", "path"), INCLUSIONS)
def test_published_inclusion_proofs_verify(number: int, size: int, path: list[str]) -> None:
    hashes = hashed(LEAVES)
    assert inclusion_proof(LeafHashes(hashes), number - 1, size) == unhex(path)
    verify_inclusion(hashes[number - 1], number - 1, size, unhex(path), ROOTS[size - 1])


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCIES)
def test_published_consistency_proofs_verify(old: int, new: int, path: list[str]) -> None:
    assert consistency_proof(LeafHashes(hashed(LEAVES)), old, new) == unhex(path)
    verify_consistency(old, ROOTS[old - 1], new, ROOTS[new - 1], unhex(path))


def test_proofs_of_a_certificate_transparency_log_verify() -> None:
    (leaf, root, old_root) = unbase64(f"{ARGON_LEAF_10000} {ARGON_ROOT} {ARGON_OLD_ROOT}")
    verify_inclusion(leaf, 10_000, ARGON_SIZE, unbase64(ARGON_PATH), root)
    path = unbase64(ARGON_CONSISTENCY)
    verify_consistency(ARGON_OLD_SIZE, old_root, ARGON_SIZE, root, path)
    with pytest.raises(ProofError):
        verify_inclusion(leaf, 10_001, ARGON_SIZE, unbase64(ARGON_PATH), root)
    with pytest.raises(ProofError):
        verify_consistency(ARGON_OLD_SIZE + 1, old_root, ARGON_SIZE, root, path)


@pytest.mark.parametrize(("number", "size", "path"), INCLUSIONS)
def test_damaged_inclusion_proof_is_refused(number: int, size: int, path: list[str]) -> None:
    index, proof, root = number - 1, unhex(path), ROOTS[size - 1]
    leaf = leaf_hash(LEAVES[index])
    damaged = [
        *((other, size, root, leaf, proof) for other in (index - 1, index + 1, index ^ 2)),
        *((index, other, root, leaf, proof) for other in (size * 2, size // 2)),
        (index, size, root, b"WrongLeaf", proof),
        (index, size, root, SOME_HASH, proof),
        (index, size, EMPTY_ROOT, leaf, proof),
        (index, size, SOME_HASH, leaf, proof),
        *((index, size, root, leaf, [*proof, more]) for more in (b"", root)),
        *((index, size, root, leaf, [more, *proof]) for more in (b"", root)),
        *((index, size, root, leaf, flipped(proof, at)) for at in range(len(proof))),
        *((index, size, root, leaf, proof[:at] + proof[at + 1 :]) for at in range(len(proof))),
        *((index, size, root, leaf, [*proof[:1], SOME_HASH, *proof[1:]]) for _ in proof),
    ]
    for index_, size_, root_, leaf_, proof_ in damaged:
        with pytest.raises(ProofError):
            verify_inclusion(leaf_, index_, size_, proof_, root_)


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCIES[1:])
def test_damaged_consistency_proof_is_refused(old: int, new: int, path: list[str]) -> None:
    proof, first, second = unhex(path), ROOTS[old - 1], ROOTS[new - 1]
    damaged = [
        *((other, new, first, second, proof) for other in (old - 1, old + 1, old ^ 2)),
        *((old, other, first, second, proof) for other in (new * 2, new // 2)),
        (old, new, b"WrongRoot", second, proof),
        (old, new, first, b"WrongRoot", proof),
        (old, new, second, first, proof),
        (old, new, first, second, []),
        *((old, new, first, second, [*proof, more]) for more in (b"", first, second)),
        *((old, new, first, second, [more, *proof]) for more in (b"", first, second, proof[0])),
        (old, new, first, second, proof[:-1]),
        *((old, new, first, second, flipped(proof, at)) for at in range(len(proof))),
    ]
    for old_, new_, first_, second_, proof_ in damaged:
        with pytest.raises(ProofError):
            verify_consistency(old_, first_, new_, second_, proof_)


def test_equal_and_empty_trees_need_an_empty_path() -> None:
    root = ROOTS[0]
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    verify_consistency(0, EMPTY_ROOT, 1, root, [])
    verify_consistency(1, root, 1, root, [])
    refused = [
        (0, root, 1, root, []),
        (0, EMPTY_ROOT, 1, root, [EMPTY_ROOT]),
        (1, root, 1, root, [EMPTY_ROOT]),
        (1, root, 1, SOME_HASH, []),
        (1, root, 2, ROOTS[1], []),
        (2, ROOTS[1], 1, root, []),
        (-1, EMPTY_ROOT, 1, root, []),
    ]
    for old, first, new, second, path in refused:
        with pytest.raises(ProofError):
            verify_consistency(old, first, new, second, path)
    for index, size in ((0, 0), (1, 1), (2, 1), (-1, 1)):
        with pytest.raises(ProofError):
            verify_inclusion(root, index, size, [], root)


def test_impossible_proofs_are_refused() -> None:
    source = LeafHashes(hashed(LEAVES))
    for index, size in ((8, 8), (-1, 8), (0, 0)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_proof(source, index, size)
    for old, new in ((0, 8), (5, 4), (-1, 2)):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_proof(source, old, new)
    with pytest.raises(ValueError, match="has 2 nodes"):
        CompactRange(3, [SOME_HASH])
    for count in (0, 3):
        with pytest.raises(ValueError, match="no perfect subtree"):
            perfect_root([SOME_HASH] * count)


sizes = st.integers(min_value=1, max_value=70)


@given(sizes)
def test_growing_tree_has_the_naive_root(size: int) -> None:
    leaves = [bytes([index]) * (index % 5) for index in range(size)]
    tree = grown(leaves)
    assert tree.root() == naive_root(leaves)
    assert len(tree.nodes) == size.bit_count()
    resumed = frontier(LeafHashes(hashed(leaves)), size)
    assert (resumed.size, resumed.nodes) == (tree.size, tree.nodes)


@given(sizes.flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_leaf_can_be_proven(case: tuple[int, int]) -> None:
    size, index = case
    leaves = [bytes([number]) for number in range(size)]
    hashes = hashed(leaves)
    path = inclusion_proof(LeafHashes(hashes), index, size)
    assert path == naive_path(index, leaves)
    verify_inclusion(hashes[index], index, size, path, naive_root(leaves))
    for other in range(size):
        if other != index:
            with pytest.raises(ProofError):
                verify_inclusion(hashes[index], other, size, path, naive_root(leaves))


@given(sizes.flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size))))
def test_every_older_tree_is_consistent(case: tuple[int, int]) -> None:
    new, old = case
    leaves = [bytes([number]) for number in range(new)]
    path = consistency_proof(LeafHashes(hashed(leaves)), old, new)
    assert path == naive_subproof(old, leaves, True)
    verify_consistency(old, naive_root(leaves[:old]), new, naive_root(leaves), path)
    changed = [b"changed", *leaves[1:]]
    with pytest.raises(ProofError):
        verify_consistency(old, naive_root(leaves[:old]), new, naive_root(changed), path)


def test_completed_tiles_are_reported_level_by_level() -> None:
    hashes = [sha256(number.to_bytes(4)).digest() for number in range(2 * 65_536)]
    tree, completed = CompactRange(), []
    for hash_ in hashes:
        tree.append(hash_, lambda level, root: completed.append((level, root)))
    first_level = [root for level, root in completed if level == 1]
    assert first_level == [perfect_root(hashes[at : at + 256]) for at in range(0, 131_072, 256)]
    assert [root for level, root in completed if level == 2] == [
        perfect_root(hashes[:65_536]),
        perfect_root(hashes[65_536:]),
    ]
    assert {level for level, _ in completed} == {1, 2}


def flipped(proof: Sequence[bytes], at: int) -> list[bytes]:
    changed = bytes([proof[at][0] ^ 8]) + proof[at][1:]
    return [*proof[:at], changed, *proof[at + 1 :]]
