"""Plan and proof of an instance in one small file: gzipped JSON, the same bytes for the same content."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from allocator.certificate import Fork, Leaf, Node
from allocator.check import faults_of
from allocator.instance import Instance
from allocator.solve import Solution
from loadtests.cases import Case

Json = dict[str, Any]

_KINDS: dict[str, type[Fork] | type[Leaf]] = {"fork": Fork, "leaf": Leaf}


def hash_of(instance: Instance) -> str:
    """SHA-256 over names and contents of an instance's arrays, little-endian, in the order of its fields."""
    digest = hashlib.sha256()
    for field in fields(instance):
        array = getattr(instance, field.name)
        digest.update(f"{field.name} {array.dtype.name} {len(array)}\n".encode())
        digest.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes())
    return digest.hexdigest()


def hash_of_folder(case: Case) -> str:
    """SHA-256 over names and contents of a case's files, in the order of their names."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as place:
        for file in sorted(case.folder_under(Path(place)).iterdir()):
            digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def certificate_of(solution: Solution) -> Json:
    """Plan as pairs taken, prices, and branches where they were needed, as plain numbers."""
    pairs = np.flatnonzero(solution.taken)
    return {
        "value_m": solution.value_m,
        "bound_m": solution.bound_m,
        "taken": {"pair": pairs.tolist(), "demands": solution.taken[pairs].tolist()},
        "scale": solution.scale,
        "prices": {
            "bay_group": solution.price_bay_group.tolist(),
            "at": solution.price_at.tolist(),
            "price": solution.price.tolist(),
        },
        "branches": [_node_as_json(node) for node in solution.branches],
    }


def faults_of_certificate(instance: Instance, certificate: Json) -> list[str]:
    """Everything that the plain checker finds wrong with a certificate of an instance."""
    taken = np.zeros(instance.num_pairs, dtype=np.int64)
    taken[certificate["taken"]["pair"]] = certificate["taken"]["demands"]
    prices = certificate["prices"]
    return faults_of(
        instance,
        taken.tolist(),
        value_m=certificate["value_m"],
        bound_m=certificate["bound_m"],
        prices=zip(prices["bay_group"], prices["at"], prices["price"], strict=True),
        scale=certificate["scale"],
        branches=branches_of(certificate),
    )


def branches_of(certificate: Json) -> tuple[Node, ...]:
    """Return the cases that prove the plan optimal, none where prices do or nothing does."""
    return tuple(_node_of(node) for node in certificate["branches"])


def write_certificate(file: Path, certificate: Json) -> None:
    """Write a certificate; equal certificates are equal files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps(certificate, separators=(",", ":")).encode()
    file.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def read_certificate(file: Path) -> Json:
    """Read a certificate."""
    content: Json = json.loads(gzip.decompress(file.read_bytes()))
    return content


def _node_as_json(node: Node) -> Json:
    kind = "fork" if isinstance(node, Fork) else "leaf"
    values = {field.name: getattr(node, field.name) for field in fields(node)}
    return {"kind": kind, **{k: v.tolist() if isinstance(v, np.ndarray) else int(v) for k, v in values.items()}}


def _node_of(content: Json) -> Node:
    values = {key: _number_or_array(value) for key, value in content.items() if key != "kind"}
    return _KINDS[content["kind"]](**values)


def _number_or_array(value: int | Sequence[int]) -> Any:  # noqa: ANN401  (a node has both)
    return value if isinstance(value, int) else np.array(value, dtype=np.int64)
